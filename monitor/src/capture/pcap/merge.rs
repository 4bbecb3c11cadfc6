//! Several captures as one, by time.

use std::io::Read;

use super::{Damage, Reader};
use crate::packet::Packet;
use crate::time::Timestamp;

/// Captures that are read together. Of packets with one stamp the one of the file named first comes first; a stamp that
/// goes back within its file counts as the latest there.
#[derive(Debug)]
pub struct Merge<R> {
    files: Vec<File<R>>,
}

#[derive(Debug)]
struct File<R> {
    reader: Reader<R>,
    next: Option<Packet>,
    latest: Timestamp,
    /// The first damage met, and how many more.
    damage: Option<(Damage, u64)>,
}

impl<R: Read> Merge<R> {
    /// Reads the first packet of each.
    pub fn new(readers: Vec<Reader<R>>) -> Self {
        let mut files: Vec<File<R>> = readers
            .into_iter()
            .map(|reader| File {
                reader,
                next: None,
                latest: Timestamp::ZERO,
                damage: None,
            })
            .collect();
        files.iter_mut().for_each(File::advance);
        Self { files }
    }

    /// Bytes read of all files.
    pub fn bytes_read(&self) -> u64 {
        self.files.iter().map(|file| file.reader.bytes_read()).sum()
    }

    /// What is damaged, by the number of the file: the first thing met there, and how many more.
    pub fn damage(&self) -> impl Iterator<Item = (usize, &Damage, u64)> {
        self.files
            .iter()
            .enumerate()
            .filter_map(|(number, file)| file.damage.as_ref().map(|(damage, more)| (number, damage, *more)))
    }
}

impl<R: Read> Iterator for Merge<R> {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        // A handful of files; the first of equals is the least.
        let file = match self.files.as_mut_slice() {
            [only] => only,
            files => files
                .iter_mut()
                .filter(|file| file.next.is_some())
                .min_by_key(|file| file.latest)?,
        };
        let packet = file.next.take()?;
        file.advance();
        Some(packet)
    }
}

impl<R: Read> File<R> {
    fn advance(&mut self) {
        loop {
            match self.reader.packet() {
                Ok(next) => {
                    if let Some(packet) = &next {
                        self.latest = self.latest.max(packet.time);
                    }
                    self.next = next;
                    return;
                }
                Err(damage) => match &mut self.damage {
                    Some((_, more)) => *more += 1,
                    none @ None => *none = Some((damage, 0)),
                },
            }
        }
    }
}
