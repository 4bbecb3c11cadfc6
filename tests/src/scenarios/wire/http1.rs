//! HTTP/1 as bytes.

use std::fmt::Write as _;

use crate::scenarios::agents::{Agent, Slot};
use crate::scenarios::http::{Request, Response, Version};

/// The head of a request as this client writes it.
pub fn request(agent: &Agent, version: Version, host: &str, request: &Request) -> Vec<u8> {
    let protocol = match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 | Version::Http2 => "HTTP/1.1",
    };
    let mut out = format!("{} {} {protocol}\r\n", request.method, request.target);
    let mut line = |name: &str, value: &str| {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
        out.push_str("\r\n");
    };
    for (name, slot) in agent.order {
        match slot {
            Slot::Host => line(name, host),
            Slot::Agent => {
                if !agent.user_agent.is_empty() {
                    line(name, &agent.user_agent);
                }
            }
            Slot::Is(value) => line(name, value),
            Slot::Request => {
                for (name, value) in &request.fields {
                    line(name, value);
                }
                if !request.body.is_empty() || matches!(request.method, "POST" | "PUT" | "PATCH") {
                    line("Content-Length", &request.body.len().to_string());
                }
            }
        }
    }
    out.push_str("\r\n");
    out.into_bytes()
}

/// The head of a response; `closes`: it is the last on its connection.
pub fn response(closes: bool, version: Version, asked: &str, response: &Response) -> Vec<u8> {
    let (status, reason) = (response.status, reason(response.status));
    let protocol = if version == Version::Http10 {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    };
    let mut out = format!("{protocol} {status} {reason}\r\nServer: nginx\r\n");
    for (name, value) in &response.fields {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    let connection = if closes || version == Version::Http10 {
        "close"
    } else {
        "keep-alive"
    };
    let len = response.announced.unwrap_or(response.body.len());
    if has_body(asked, status) || asked == "HEAD" {
        let _ = write!(out, "Content-Length: {len}\r\n");
    }
    let _ = write!(out, "Connection: {connection}\r\n\r\n");
    out.into_bytes()
}

/// Whether a response to this method with this status has one (RFC 9110 section 6.4.1).
pub fn has_body(method: &str, status: u16) -> bool {
    method != "HEAD" && status >= 200 && status != 204 && status != 304
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Other",
    }
}
