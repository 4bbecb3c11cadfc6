//! A list as JSON lines, encoded as it is read, and what follows it for as long as the client stays.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::shape::{Skipped, SkippedType};
use crate::record::Record;
use crate::sinks::json::{append_line, write_record};
use crate::time::Timestamp;

/// Bytes encoded at a time: a slow client holds no more than this of its list as text, and no list of ten thousand
/// keeps others waiting for longer than this takes (under a millisecond).
const CHUNK: usize = 64 * 1024;

/// The records, then what follows.
pub(super) fn lines(records: Vec<Record>, live: Option<Receiver<Record>>, host: Option<Arc<str>>) -> Response {
    let feed = Feed {
        backlog: records.into_iter(),
        live,
        host,
        latest: Timestamp::ZERO,
        buffer: Vec::new(),
    };
    let body = stream::unfold(feed, |mut feed| async move {
        let chunk = feed.next().await?;
        Some((Ok::<_, Infallible>(chunk), feed))
    });
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(body),
    )
        .into_response()
}

struct Feed {
    backlog: std::vec::IntoIter<Record>,
    live: Option<Receiver<Record>>,
    host: Option<Arc<str>>,
    latest: Timestamp,
    buffer: Vec<u8>,
}

impl Feed {
    async fn next(&mut self) -> Option<Bytes> {
        while self.buffer.len() < CHUNK
            && let Some(record) = self.backlog.next()
        {
            self.encode(&record);
        }
        if self.buffer.is_empty() {
            match self.live.as_mut()?.recv().await {
                Ok(record) => self.encode(&record),
                Err(RecvError::Lagged(count)) => self.skip(count),
                Err(RecvError::Closed) => return None,
            }
            while self.buffer.len() < CHUNK {
                match self.live.as_mut()?.try_recv() {
                    Ok(record) => self.encode(&record),
                    Err(TryRecvError::Lagged(count)) => self.skip(count),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
        }
        Some(std::mem::take(&mut self.buffer).into())
    }

    fn encode(&mut self, record: &Record) {
        self.latest = self.latest.max(record.time);
        if let Err(error) = write_record(&mut self.buffer, record, self.latest, self.host.as_deref()) {
            tracing::warn!("a record could not be written as JSON for a client: {error}");
        }
    }

    fn skip(&mut self, count: u64) {
        let skipped = Skipped {
            kind: SkippedType::Skipped,
            count,
        };
        // A number and a name: nothing to go wrong, see `Refusal::body`.
        let _ = append_line(&mut self.buffer, &skipped);
    }
}
