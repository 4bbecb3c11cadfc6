//! The other end: how the command line asks the daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::shape::ErrorBody;

/// How long the daemon may take to begin an answer; it promises 50 ms for 99 of 100.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest line of an answer: an alert carries five records, each bounded by what is captured.
const LINE: usize = 16 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no daemon answers at {}: start one with `sudo monitor run`, or name its --socket", .0.display())]
    NoDaemon(PathBuf),
    /// The socket is there, for others.
    #[error("{}: not allowed for your user: use sudo, or be a member of the socket's group", .0.display())]
    NotAllowed(PathBuf),
    /// It listens and says nothing.
    #[error("the daemon at {} does not answer: look at its log", .0.display())]
    Silent(PathBuf),
    /// It says no.
    #[error("{error}: {mend}")]
    Refused {
        /// What is wrong.
        error: String,
        /// What to do.
        mend: String,
    },
    /// What it says makes no sense.
    #[error("the daemon's answer cannot be read: {0}; are both of one version?")]
    Garbled(String),
}

/// An answer, read line by line.
#[derive(Debug)]
pub struct Answer {
    body: Incoming,
    buffer: BytesMut,
    /// Bytes of `buffer` that hold no newline for sure.
    searched: usize,
}

/// Asks the daemon behind `socket`.
pub async fn ask(socket: &Path, method: Method, path: &str, body: Vec<u8>) -> Result<Answer, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => ClientError::NotAllowed(socket.to_owned()),
        _ => ClientError::NoDaemon(socket.to_owned()),
    })?;
    let silent = |_| ClientError::Silent(socket.to_owned());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(silent)?;
    // Drives the connection; its errors come out at the response and its body too.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "monitor")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| ClientError::Garbled(error.to_string()))?;
    let Ok(Ok(response)) = tokio::time::timeout(PATIENCE, sender.send_request(request)).await else {
        return Err(ClientError::Silent(socket.to_owned()));
    };
    if response.status().is_success() {
        Ok(Answer {
            body: response.into_body(),
            buffer: BytesMut::new(),
            searched: 0,
        })
    } else {
        Err(refused(response).await)
    }
}

async fn refused(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    match serde_json::from_slice::<ErrorBody<'static>>(&body) {
        Ok(said) => ClientError::Refused {
            error: said.error.into_owned(),
            mend: said.mend.into_owned(),
        },
        Err(_) if status == StatusCode::NOT_FOUND => ClientError::Garbled("it does not know what was asked".to_owned()),
        Err(_) => ClientError::Garbled(format!("status {status}")),
    }
}

impl Answer {
    /// The next line, without its newline; `None` at the end.
    pub async fn line(&mut self) -> Result<Option<BytesMut>, ClientError> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let mut line = self.buffer.split_to(self.searched + at + 1);
                line.truncate(line.len() - 1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > LINE {
                return Err(ClientError::Garbled(format!("a line of more than {LINE} bytes")));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.buffer.extend_from_slice(&bytes);
                    }
                }
                // The daemon has gone in the middle.
                Some(Err(error)) => return Err(ClientError::Garbled(error.to_string())),
                None => {
                    self.searched = 0;
                    return Ok((!self.buffer.is_empty()).then(|| self.buffer.split()));
                }
            }
        }
    }
}
