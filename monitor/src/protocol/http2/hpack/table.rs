//! The table that fields are referred to by: the static part (RFC 7541 appendix A) and the dynamic one (section 2.3.2).

use std::collections::VecDeque;

/// What an entry takes beside its text (RFC 7541 section 4.1), bytes.
pub(super) const OVERHEAD: usize = 32;
/// Entries that every connection has.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// A field of the dynamic table, in one allocation.
#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    name_len: usize,
    /// The name is known.
    named: bool,
}

/// What is known of the table of one direction.
#[derive(Debug)]
pub(super) struct Table {
    /// Latest first.
    dynamic: VecDeque<Entry>,
    size: usize,
    max: usize,
    /// Every entry that the sender may refer to is here.
    whole: bool,
}

/// What a reference gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// An entry; its name may be unknown.
    Entry(Option<&'a [u8]>, &'a [u8]),
    /// An entry that was made by bytes that were not seen.
    Unseen,
    /// There is none.
    Nothing,
}

impl Table {
    pub(super) fn new(max: usize, whole: bool) -> Self {
        Self {
            dynamic: VecDeque::new(),
            size: 0,
            max,
            whole,
        }
    }

    /// Some entries may be missing from now on: what was known of their places is void.
    pub(super) fn forget(&mut self) {
        self.dynamic.clear();
        self.size = 0;
        self.whole = false;
    }

    /// The sender may use more than is kept.
    pub(super) fn is_not_whole(&mut self) {
        self.whole = false;
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    pub(super) fn get(&self, index: usize) -> Found<'_> {
        let Some(index) = index.checked_sub(1) else {
            return Found::Nothing;
        };
        if let Some((name, value)) = STATIC.get(index) {
            return Found::Entry(Some(name.as_bytes()), value.as_bytes());
        }
        match self.dynamic.get(index - STATIC.len()) {
            Some(entry) => {
                let (name, value) = entry.text.split_at(entry.name_len);
                Found::Entry(entry.named.then_some(name), value)
            }
            None if self.whole => Found::Nothing,
            None => Found::Unseen,
        }
    }

    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
        self.evict(0);
    }

    /// Adds a field. One that is larger than the table empties it (RFC 7541 section 4.4).
    pub(super) fn insert(&mut self, name: Option<&[u8]>, value: &[u8]) {
        let named = name.is_some();
        let name = name.unwrap_or_default();
        let size = name.len() + value.len() + OVERHEAD;
        self.evict(size);
        if size > self.max {
            return;
        }
        let mut text = Vec::with_capacity(name.len() + value.len());
        text.extend_from_slice(name);
        text.extend_from_slice(value);
        self.size += size;
        self.dynamic.push_front(Entry {
            text: text.into_boxed_slice(),
            name_len: name.len(),
            named,
        });
    }

    fn evict(&mut self, coming: usize) {
        while self.size + coming > self.max {
            let Some(oldest) = self.dynamic.pop_back() else { break };
            self.size -= oldest.text.len() + OVERHEAD;
        }
    }
}
