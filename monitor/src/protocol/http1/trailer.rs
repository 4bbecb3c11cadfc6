//! The trailer section of a chunked body (RFC 9112 section 7.1.2). Its fields are not kept: who merges them into the
//! header is wrong where they frame, route or authenticate, so that such a name is all that is looked for.

use super::anomaly::{Anomalies, Anomaly};
use crate::protocol::identify::is_tchar;

/// Fields that a trailer section must not have (RFC 9110 section 6.5.1), as [`fnv`] of the name in lower case. A name
/// of chance with the same number is called forbidden by mistake, once in hundreds of millions.
const FORBIDDEN: [u32; 14] = [
    hash(b"transfer-encoding"),
    hash(b"content-length"),
    hash(b"host"),
    hash(b"trailer"),
    hash(b"content-encoding"),
    hash(b"content-type"),
    hash(b"content-range"),
    hash(b"authorization"),
    hash(b"proxy-authorization"),
    hash(b"cookie"),
    hash(b"set-cookie"),
    hash(b"x-forwarded-for"),
    hash(b"expect"),
    hash(b"connection"),
];

/// Place within the trailer section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    place: Place,
    /// The last byte was CR.
    cr: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Where a line begins.
    Line,
    /// In a name, of which this is the number so far.
    Name(u32),
    /// After the colon.
    Value,
}

impl Trailer {
    /// Before its first line.
    pub(super) const START: Self = Self {
        place: Place::Line,
        cr: false,
    };

    /// Takes a byte; true at the end of the section.
    pub(super) fn is_over(&mut self, b: u8, odd: &mut Anomalies) -> bool {
        let cr = std::mem::replace(&mut self.cr, b == b'\r');
        if b == b'\n' {
            odd.add_if(!cr, Anomaly::BareLf);
            odd.add_if(matches!(self.place, Place::Name(_)), Anomaly::BadFieldName);
            return std::mem::replace(&mut self.place, Place::Line) == Place::Line;
        }
        odd.add_if(cr, Anomaly::BareCr);
        if b == b'\r' {
            // Of a line that holds CR and more, more than its end is there.
            if cr && self.place == Place::Line {
                self.place = Place::Value;
            }
            return false;
        }
        odd.add_if(b.is_ascii_control() && b != b'\t', Anomaly::ControlBytes);
        odd.add_if(b == 0, Anomaly::NulByte);
        self.place = match (self.place, b) {
            (Place::Line, b' ' | b'\t') => {
                odd.add(Anomaly::ObsFold);
                Place::Value
            }
            (Place::Name(name), b':') => {
                odd.add_if(FORBIDDEN.contains(&name), Anomaly::ForbiddenTrailer);
                Place::Value
            }
            (Place::Name(name), b' ' | b'\t') => {
                odd.add(Anomaly::SpaceBeforeColon);
                Place::Name(name)
            }
            (Place::Line | Place::Name(_), b) => {
                odd.add_if(!is_tchar(b), Anomaly::BadFieldName);
                let so_far = match self.place {
                    Place::Name(so_far) => so_far,
                    Place::Line | Place::Value => BASIS,
                };
                Place::Name(fnv(so_far, b.to_ascii_lowercase()))
            }
            (Place::Value, _) => Place::Value,
        };
        false
    }
}

/// Where FNV-1a of 32 bits begins.
const BASIS: u32 = 0x811c_9dc5;

/// FNV-1a, one byte on.
const fn fnv(so_far: u32, b: u8) -> u32 {
    (so_far ^ b as u32).wrapping_mul(0x0100_0193)
}

const fn hash(name: &[u8]) -> u32 {
    let mut sum = BASIS;
    let mut at = 0;
    while at < name.len() {
        sum = fnv(sum, name[at]);
        at += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(section: &str, anomalies: &[&str]) {
        let mut odd = Anomalies::default();
        let mut trailer = Trailer::START;
        let over: Vec<bool> = section.bytes().map(|b| trailer.is_over(b, &mut odd)).collect();
        assert_eq!(
            over.iter().position(|over| *over),
            Some(section.len() - 1),
            "{section:?}"
        );
        assert_eq!(odd.names(), anomalies, "{section:?}");
    }

    #[test]
    fn sections_end_at_an_empty_line() {
        check("\r\n", &[]);
        check("X-Sum: 1\r\nY: \r\n\r\n", &[]);
        check("\n", &["bare_lf"]);
        check("X: 1\n\r\n", &["bare_lf"]);
    }

    #[test]
    fn what_is_odd_is_named() {
        check("Content-LENGTH: 5\r\n\r\n", &["forbidden_trailer"]);
        check(
            "Transfer-Encoding : x\r\n\r\n",
            &["space_before_colon", "forbidden_trailer"],
        );
        check("nonsense\r\n\r\n", &["bad_field_name"]);
        check("a@b: 1\r\n\r\n", &["bad_field_name"]);
        check("X: 1\r\n Host: 2\r\n\r\n", &["obs_fold"]);
        check("X: \0\r\n\r\n", &["control_bytes", "nul_byte"]);
        check("X: 1\r2\r\n\r\n", &["bare_cr"]);
        check("\r\r\n\r\n", &["bare_cr"]);
    }
}
