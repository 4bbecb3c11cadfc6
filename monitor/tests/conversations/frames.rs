//! Frames of HTTP/2 from the words of a fixture's line.

/// `preface`, or a frame: its kind, its stream, then words that say more. See the README of the fixtures.
pub(crate) fn line(text: &str) -> Option<Vec<u8>> {
    let mut words = text.split_whitespace();
    let kind = words.next()?;
    if kind == "preface" {
        return Some(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec());
    }
    if kind == "raw" {
        return words.map(|word| u8::from_str_radix(word, 16).ok()).collect();
    }
    let stream: u32 = words.next()?.parse().ok()?;
    let mut frame = Frame::default();
    for word in words {
        frame.word(word)?;
    }
    let (number, content) = match kind {
        "data" => (0, std::mem::take(&mut frame.content)),
        "headers" => (1, std::mem::take(&mut frame.content)),
        "priority" => (2, vec![0, 0, 0, 0, 15]),
        "rst" => (3, std::mem::take(&mut frame.content)),
        "settings" => (4, std::mem::take(&mut frame.content)),
        // The promised stream is 2.
        "push" => (5, [vec![0, 0, 0, 2], std::mem::take(&mut frame.content)].concat()),
        "ping" => (6, vec![0; 8]),
        "goaway" => (7, [std::mem::take(&mut frame.content), vec![0; 4]].concat()),
        "window" => (8, vec![0, 0, 0xff, 0xff]),
        "continuation" => (9, std::mem::take(&mut frame.content)),
        _ => return None,
    };
    if matches!(kind, "headers" | "push" | "continuation") && !frame.open {
        frame.flags |= 0x4;
    }
    Some(frame.bytes(number, stream, &content))
}

#[derive(Default)]
struct Frame {
    flags: u8,
    /// The header block goes on.
    open: bool,
    padding: Option<u8>,
    priority: bool,
    content: Vec<u8>,
    /// Length, where the payload is not here.
    announced: Option<u32>,
}

impl Frame {
    fn word(&mut self, word: &str) -> Option<()> {
        match word {
            "end" | "ack" => self.flags |= 0x1,
            "open" => self.open = true,
            "priority" => self.priority = true,
            _ => {
                if let Some(index) = word.strip_prefix('@') {
                    self.content.push(0x80 | index.parse::<u8>().ok()?);
                } else if let Some(size) = word.strip_prefix("size=") {
                    self.content.extend(vec![b'x'; size.parse().ok()?]);
                } else if let Some(size) = word.strip_prefix("announced=") {
                    self.announced = Some(size.parse().ok()?);
                } else if let Some(number) = word.strip_prefix("u32=") {
                    self.content.extend(number.parse::<u32>().ok()?.to_be_bytes());
                } else if let Some(padding) = word.strip_prefix("pad=") {
                    self.padding = Some(padding.parse().ok()?);
                } else if let Some(hex) = word.strip_prefix("hex=") {
                    for at in (0..hex.len()).step_by(2) {
                        self.content.push(u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?);
                    }
                } else {
                    let (name, value) = word.split_at(word.get(1..)?.find('=')? + 1);
                    let (first, name) = name.strip_prefix('+').map_or((0x00, name), |name| (0x40, name));
                    self.content.push(first);
                    for text in [name, &value[1..]] {
                        self.content.push(u8::try_from(text.len()).ok().filter(|n| *n < 127)?);
                        self.content.extend(text.as_bytes());
                    }
                }
            }
        }
        Some(())
    }

    fn bytes(&self, kind: u8, stream: u32, content: &[u8]) -> Vec<u8> {
        let mut flags = self.flags;
        let mut payload = Vec::new();
        if let Some(padding) = self.padding {
            flags |= 0x8;
            payload.push(padding);
        }
        if self.priority {
            flags |= 0x20;
            payload.extend([0, 0, 0, 0, 15]);
        }
        payload.extend(content);
        payload.extend(vec![0; usize::from(self.padding.unwrap_or(0))]);
        let len = self.announced.unwrap_or(payload.len() as u32);
        let mut bytes = len.to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }
}
