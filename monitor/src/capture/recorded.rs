//! Recorded lines: files of JSON lines as a stream of records, merged by time.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use crate::record::Body;
use crate::sinks::json::{RecordType, Recorded, Unreadable, read_line};
use crate::time::Timestamp;

/// The longest line that is read, bytes; the rest of a longer one is passed over. A transaction with all that is kept of a
/// header has 100 kB where every byte of it is escaped.
const MAX_LINE: u64 = 1024 * 1024;

/// Files that are read together. Of records with one time that of the file named first comes first; a time that goes back
/// within its file counts as the latest there.
#[derive(Debug)]
pub struct Lines<R> {
    files: Vec<File<R>>,
    counts: BTreeMap<RecordType, u64>,
}

#[derive(Debug)]
struct File<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
    next: Option<Recorded>,
    latest: Timestamp,
    /// The first line that cannot be read, and how many more.
    damage: Option<(Damage, u64)>,
}

/// Why a line is left out.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file cannot be read on.
    #[error("{0}")]
    Io(io::Error),
    /// It is no record.
    #[error("line {number} cannot be read: {why}")]
    Line {
        /// Which, from 1.
        number: u64,
        /// Why not.
        why: Unreadable,
    },
    /// It is longer than any record.
    #[error("line {0} is longer than any record")]
    Long(u64),
    /// The file ends inside it.
    #[error("the file ends inside line {0}")]
    Cut(u64),
}

impl<R: Read> Lines<R> {
    /// Reads the first record of each.
    pub fn new(inputs: Vec<R>) -> Self {
        let mut files: Vec<File<R>> = inputs.into_iter().map(File::new).collect();
        files.iter_mut().for_each(File::advance);
        Self {
            files,
            counts: BTreeMap::new(),
        }
    }

    /// The time of the next record.
    pub fn peek(&self) -> Option<Timestamp> {
        let more = self.files.iter().filter(|file| file.next.is_some());
        more.map(|file| file.latest).min()
    }

    /// Bytes read of all files.
    pub fn bytes_read(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Records of each type so far.
    pub fn counts(&self) -> &BTreeMap<RecordType, u64> {
        &self.counts
    }

    /// What is damaged, by the number of the file: the first thing met there, and how many more.
    pub fn damage(&self) -> impl Iterator<Item = (usize, &Damage, u64)> {
        self.files
            .iter()
            .enumerate()
            .filter_map(|(number, file)| file.damage.as_ref().map(|(damage, more)| (number, damage, *more)))
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = (Timestamp, Option<Body>);

    fn next(&mut self) -> Option<Self::Item> {
        let file = self
            .files
            .iter_mut()
            .filter(|file| file.next.is_some())
            .min_by_key(|file| file.latest)?;
        let (recorded, time) = (file.next.take()?, file.latest);
        *self.counts.entry(recorded.kind).or_default() += 1;
        file.advance();
        Some((time, recorded.body))
    }
}

impl<R: Read> File<R> {
    fn new(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(256 * 1024, input),
            line: Vec::new(),
            number: 0,
            bytes: 0,
            next: None,
            latest: Timestamp::ZERO,
            damage: None,
        }
    }

    fn advance(&mut self) {
        loop {
            match self.read() {
                Ok(None) => return,
                Ok(Some(recorded)) => {
                    self.latest = self.latest.max(recorded.time);
                    self.next = Some(recorded);
                    return;
                }
                Err(damage) => {
                    let is_over = matches!(damage, Damage::Io(_) | Damage::Cut(_));
                    match &mut self.damage {
                        Some((_, more)) => *more += 1,
                        none @ None => *none = Some((damage, 0)),
                    }
                    if is_over {
                        return;
                    }
                }
            }
        }
    }

    /// The next record; none at the end.
    fn read(&mut self) -> Result<Option<Recorded>, Damage> {
        loop {
            self.line.clear();
            self.number += 1;
            let number = self.number;
            let mut limited = (&mut self.input).take(MAX_LINE);
            let read = limited.read_until(b'\n', &mut self.line).map_err(Damage::Io)?;
            self.bytes += read as u64;
            if read == 0 {
                return Ok(None);
            }
            let is_whole = self.line.last() == Some(&b'\n');
            if !is_whole && read as u64 == MAX_LINE {
                let rest = self.input.skip_until(b'\n').map_err(Damage::Io)?;
                self.bytes += rest as u64;
                return Err(Damage::Long(number));
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            return match read_line(&self.line) {
                Ok(recorded) => Ok(Some(recorded)),
                // A file that is still written to may end so.
                Err(_) if !is_whole => Err(Damage::Cut(number)),
                Err(why) => Err(Damage::Line { number, why }),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::json::examples;
    use crate::sinks::json::write_record;

    fn line(second: u64, of: usize) -> Vec<u8> {
        let mut line = Vec::new();
        let record = &examples::every()[of];
        write_record(&mut line, record, Timestamp::from_secs(second), None).unwrap();
        line
    }

    const HTTP: usize = 0;
    const TLS: usize = 6;

    fn read(files: &[&[u8]]) -> (Vec<u64>, Vec<String>) {
        let mut lines = Lines::new(files.to_vec());
        let times = lines.by_ref().map(|(time, _)| time.as_micros() / 1_000_000).collect();
        let damage = lines
            .damage()
            .map(|(file, damage, more)| format!("{file}: {damage} (+{more})"))
            .collect();
        (times, damage)
    }

    #[test]
    fn files_are_merged_by_time() {
        let first = [line(10, HTTP), line(30, TLS), b"\n \n".to_vec(), line(20, HTTP)].concat();
        let second = [line(15, HTTP), line(40, HTTP)].concat();
        let (times, damage) = read(&[&first, &second]);
        assert_eq!(times, [10, 15, 30, 30, 40], "a time that goes back is the latest");
        assert!(damage.is_empty(), "{damage:?}");
        let mut lines = Lines::new(vec![&first[..]]);
        assert_eq!(lines.peek(), Some(Timestamp::from_secs(10)));
        let shown = lines.by_ref().filter(|(_, body)| body.is_some()).count();
        assert_eq!(shown, 2, "a hello is read for its time");
        assert_eq!(lines.counts()[&RecordType::Tls], 1);
    }

    #[test]
    fn what_cannot_be_read_is_counted() {
        let long = vec![b'x'; 3_000_000];
        let whole = line(10, HTTP);
        let cut = &whole[..100];
        let file = [&whole[..], b"nonsense\n", &long, b"\n{}\n", &line(20, HTTP), cut].concat();
        let (times, damage) = read(&[&file]);
        assert_eq!(times, [10, 20]);
        assert_eq!(damage.len(), 1);
        assert!(damage[0].starts_with("0: line 2 cannot be read: "), "{damage:?}");
        assert!(damage[0].ends_with("(+3)"), "{damage:?}");
        let (times, damage) = read(&[cut]);
        assert!(times.is_empty());
        assert_eq!(damage, ["0: the file ends inside line 1 (+0)"]);
        let no_newline = &whole[..whole.len() - 1];
        assert_eq!(read(&[no_newline]), (vec![10], Vec::new()));
    }
}
