//! The daemon's control socket as a program without a library would use it: HTTP over a Unix socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// No query may take longer; the daemon promises 50 ms for 99 of 100.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks for one path: status code and body.
pub fn get(socket: &Path, path: &str) -> io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // HTTP/1.0: the answer comes unchunked and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: monitor\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP response: {answer:?}"));
    let (header, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = header
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .ok_or_else(malformed)?;
    Ok((status, body.to_owned()))
}
