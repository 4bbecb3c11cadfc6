//! A request and its response, whatever version of HTTP carried them.

use crate::protocol::taps::Taken;
use crate::record::{GrpcCall, HttpVersion, Incomplete, Request, Response};
use crate::time::Timestamp;

/// A response whose body is announced to be so long is shown when its header was read, not only when it is over, bytes: no
/// answer that is waited for is as long.
pub const ANNOUNCED: u64 = 1 << 30;

/// A request and its response, ended or cut off. Text is printable; secrets are not taken out yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// Version of the request, else of the response.
    pub version: HttpVersion,
    /// The request; absent where only the response was seen.
    pub request: Option<Box<Request>>,
    /// The response; absent where none came.
    pub response: Option<Response>,
    /// The call of gRPC that it is.
    pub grpc: Option<Box<GrpcCall>>,
    /// Turn of the request's first byte; 0 where the request was not seen.
    pub turn: u32,
    /// First byte of the request, else of the response.
    pub start: Timestamp,
    /// Last request byte to first response byte, microseconds.
    pub latency_us: Option<u64>,
    /// `start` to the last byte, microseconds.
    pub duration_us: u64,
    /// Names of what was odd: first of the request and the connection, then of the response alone.
    pub anomalies: Vec<&'static str>,
    /// How many of them are not of the response.
    pub request_anomalies: u8,
    /// Why it is not complete, if it is not.
    pub incomplete: Option<Incomplete>,
    /// What was kept of the request for enrichment; secrets in clear.
    pub taken: Taken,
}
