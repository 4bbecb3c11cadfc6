//! Fixtures from their text.

use std::time::Duration;

use monitor::event::Direction;
use monitor::protocol::conversation::{Origin, StreamEnd};

#[path = "frames.rs"]
mod frames;

/// Begins the part that says what is expected.
const EXPECT: &str = "--- expect\n";

/// A conversation and what it should give.
pub(crate) struct Fixture {
    pub origin: Origin,
    pub joined_late: bool,
    pub steps: Vec<Step>,
    pub end: StreamEnd,
    pub expected: String,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Bytes that are copied.
    Bytes(Direction, Vec<u8>),
    /// Bytes that the capture leaves out.
    LeftOut(Direction, u32),
    /// Bytes whose chunks are lost.
    Lost(Direction, u32),
    /// The last bytes of a direction come again, as these.
    Again(Direction, Vec<u8>),
    /// A counter tells how far a direction has come.
    Told(Direction),
    /// Time passes.
    Wait(Duration),
}

impl Fixture {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (input, expected) = text.split_once(EXPECT).unwrap_or((text, ""));
        let mut fixture = Self {
            origin: Origin::Remote,
            joined_late: false,
            steps: Vec::new(),
            end: StreamEnd::Closed,
            expected: expected.to_owned(),
        };
        for (number, line) in input.lines().enumerate() {
            fixture
                .line(line)
                .ok_or_else(|| format!("line {}: {line:?}", number + 1))?;
        }
        Ok(fixture)
    }

    /// `text` with `expected` in the place of what it said.
    pub(crate) fn with_expected(text: &str, expected: &str) -> String {
        let input = text.split_once(EXPECT).map_or(text, |(input, _)| input);
        format!("{}\n{EXPECT}{expected}", input.trim_end())
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        // Requests are received, unless this end connected.
        let client = if self.origin == Origin::Local {
            Direction::Sent
        } else {
            Direction::Received
        };
        let server = client.reverse();
        self.steps.push(match word {
            "" => return Some(()),
            _ if word.starts_with('#') => return Some(()),
            "origin" => {
                self.origin = match rest {
                    "local" => Origin::Local,
                    "remote" => Origin::Remote,
                    "unknown" => Origin::Unknown,
                    _ => return None,
                };
                return Some(());
            }
            "late" => {
                self.joined_late = true;
                return Some(());
            }
            "end" => {
                self.end = match rest {
                    "closed" => StreamEnd::Closed,
                    "reset" => StreamEnd::Reset,
                    "timed-out" => StreamEnd::TimedOut,
                    "open" => StreamEnd::StillOpen,
                    "evicted" => StreamEnd::Evicted,
                    _ => return None,
                };
                return Some(());
            }
            ">>>" => Step::Bytes(client, line_bytes(rest)?),
            "<<<" => Step::Bytes(server, line_bytes(rest)?),
            ">2>" => Step::Bytes(client, frames::line(rest)?),
            "<2<" => Step::Bytes(server, frames::line(rest)?),
            ">>*" => Step::Bytes(client, vec![b'x'; rest.parse().ok()?]),
            "<<*" => Step::Bytes(server, vec![b'x'; rest.parse().ok()?]),
            "><>" => Step::LeftOut(client, rest.parse().ok()?),
            "<><" => Step::LeftOut(server, rest.parse().ok()?),
            ">!>" => Step::Lost(client, rest.parse().ok()?),
            "<!<" => Step::Lost(server, rest.parse().ok()?),
            ">~>" => Step::Again(client, line_bytes(rest)?),
            "<~<" => Step::Again(server, line_bytes(rest)?),
            ">=>" => Step::Told(client),
            "<=<" => Step::Told(server),
            "wait" => Step::Wait(Duration::from_micros(rest.strip_suffix("us")?.parse().ok()?)),
            _ => return None,
        });
        Some(())
    }
}

/// The bytes of a line: CRLF is added, unless it ends in a backslash; `\r \n \t \0 \\ \xNN` are escapes.
fn line_bytes(text: &str) -> Option<Vec<u8>> {
    let (text, end) = match text.strip_suffix('\\') {
        Some(text) if !text.ends_with('\\') => (text, &b""[..]),
        _ => (text, &b"\r\n"[..]),
    };
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes().iter();
    while let Some(b) = rest.next() {
        bytes.push(match b {
            b'\\' => match rest.next()? {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'\\' => b'\\',
                b'x' => {
                    let hex = [*rest.next()?, *rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?
                }
                _ => return None,
            },
            b => *b,
        });
    }
    bytes.extend_from_slice(end);
    Some(bytes)
}
