//! Accepts connections and speaks HTTP/1 on them, within bounds.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::routes::{Counter, router};
use super::{Listener, Peer, Refusal, Right};

/// Connections at a time of those who may change things, and of those who may only read: the latter cannot keep the
/// former out.
const CONNECTIONS: usize = 64;

/// How long a client may take to send a header, also the next one on a connection that is kept.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// Bytes of a request's line and header.
const HEADER_BYTES: usize = 16 * 1024;

/// Fields of a header.
const HEADER_FIELDS: usize = 64;

/// Bytes of a request's body: an allow rule has a few hundred.
const BODY_BYTES: usize = 64 * 1024;

/// How long clients have to take their last answers when the daemon stops.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long to wait after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` changes.
pub async fn serve(listener: Arc<Listener>, counter: Counter, mut stop: watch::Receiver<bool>) {
    let service = TowerToHyperService::new(router(counter).layer(DefaultBodyLimit::max(BODY_BYTES)));
    let own_uid = rustix::process::geteuid().as_raw();
    let (changers, readers) = (
        Arc::new(Semaphore::new(CONNECTIONS)),
        Arc::new(Semaphore::new(CONNECTIONS)),
    );
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.socket.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!("control socket: cannot accept: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            _ = stop.changed() => break,
        };
        let peer = match Peer::of(&stream, own_uid, listener.group) {
            Ok(peer) => peer,
            Err(refusal) => {
                turn_away(&stream, &refusal);
                continue;
            }
        };
        let seats = match peer.right {
            Right::Change => &changers,
            Right::Read => &readers,
        };
        let Ok(seat) = Arc::clone(seats).try_acquire_owned() else {
            turn_away(&stream, &Refusal::full(CONNECTIONS));
            continue;
        };
        let service = service.clone();
        connections.spawn(async move {
            let _seat = seat;
            if let Err(error) = converse(stream, peer, service).await {
                debug!("control socket: {error}");
            }
        });
    }
    // Lists that are being read may end; followers are told by the end of their stream.
    let _ = tokio::time::timeout(GOODBYE, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

async fn converse(
    stream: UnixStream,
    peer: Peer,
    service: TowerToHyperService<axum::Router>,
) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let response = service.call(request);
        async move { Ok::<_, Infallible>(response.await.unwrap_or_else(|never| match never {})) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADER_FIELDS)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// Says no without listening to what is asked. A socket buffer takes this whole, or the client does not read.
fn turn_away(stream: &UnixStream, refusal: &Refusal) {
    let body = refusal.body();
    let mut answer = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        refusal.status,
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    let written: io::Result<usize> = stream.try_write(&answer);
    if let Err(error) = written {
        debug!("control socket: a client could not be told that it is refused: {error}");
    }
}
