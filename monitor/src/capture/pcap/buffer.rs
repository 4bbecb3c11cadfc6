//! A file in large pieces, of which records are slices.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes asked of the file at a time.
const PIECE: usize = 128 * 1024;

/// What has been read of a file and not been taken yet.
#[derive(Debug)]
pub(super) struct Buffer<R> {
    input: R,
    bytes: BytesMut,
    /// Bytes taken.
    position: u64,
    ended: bool,
}

impl<R: Read> Buffer<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            bytes: BytesMut::new(),
            position: 0,
            ended: false,
        }
    }

    /// The next `n` bytes, which stay; nothing if the file has fewer.
    pub(super) fn peek(&mut self, n: usize) -> io::Result<Option<&[u8]>> {
        if self.bytes.len() < n {
            self.fill(n)?;
        }
        Ok(self.bytes.get(..n))
    }

    /// Passes over `skip` bytes and takes the `n` after them; nothing if the file has fewer.
    pub(super) fn take(&mut self, skip: usize, n: usize) -> io::Result<Option<Bytes>> {
        let all = skip + n;
        if self.bytes.len() < all {
            self.fill(all)?;
        }
        if self.bytes.len() < all {
            return Ok(None);
        }
        self.position += all as u64;
        self.bytes.advance(skip);
        Ok(Some(self.bytes.split_to(n).freeze()))
    }

    /// What is left when the file has ended.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes taken so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn fill(&mut self, n: usize) -> io::Result<()> {
        while self.bytes.len() < n && !self.ended {
            let had = self.bytes.len();
            // A new piece of memory where slices of the old one live on; what is left of that is copied.
            self.bytes.reserve(n.max(PIECE) - had);
            self.bytes.resize(n.max(PIECE), 0);
            let read = self.input.read(&mut self.bytes[had..]);
            self.bytes.truncate(had + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
