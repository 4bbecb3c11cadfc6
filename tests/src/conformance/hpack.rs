//! HPACK vectors: the header blocks of a connection, in order, and the fields that they carry.

use std::path::Path;

use anyhow::Context as _;
use monitor::protocol::http2::hpack::Decoder;
use serde_json::Value;

use super::files;
use super::report::{Corpus, Verdict};

/// Compares every block of every connection.
pub fn compare(folder: &Path) -> anyhow::Result<Corpus> {
    let mut corpus = Corpus::new("HPACK", Some(1.0));
    for path in files(folder, "json")? {
        let file = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let story = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let story: Value = serde_json::from_str(&story).with_context(|| path.display().to_string())?;
        let mut decoder = Decoder::new(true);
        for case in story["cases"].as_array().into_iter().flatten() {
            let number = case["seqno"].as_u64().unwrap_or_default();
            corpus.add(format!("{file}: {number}"), judge(&mut decoder, case));
        }
    }
    Ok(corpus)
}

type Field = (Option<Vec<u8>>, Option<Vec<u8>>);

fn judge(decoder: &mut Decoder, case: &Value) -> Verdict {
    let Some(block) = case["wire"].as_str().and_then(hex) else {
        return Verdict::NotApplicable("without a block in hexadecimal");
    };
    let theirs: Vec<Field> = case["headers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|field| {
            let (name, value) = field.as_object()?.iter().next()?;
            Some((
                Some(name.clone().into_bytes()),
                Some(value.as_str()?.to_owned().into_bytes()),
            ))
        })
        .collect();
    let mut ours: Vec<Field> = Vec::new();
    let told = decoder.decode(&block, |field| {
        ours.push((field.name.map(<[u8]>::to_vec), field.value.map(<[u8]>::to_vec)));
    });
    if let Err(error) = told {
        return Verdict::Differ(format!("{error:?} after {} fields of {}", ours.len(), theirs.len()));
    }
    match ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs) {
        Some(at) => Verdict::Differ(format!("field {} differs", at + 1)),
        None if ours.len() == theirs.len() => Verdict::Agree,
        None => Verdict::Differ(format!("{} fields, ours {}", theirs.len(), ours.len())),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_block_is_judged() {
        // RFC 7541 appendix C.2.4.
        let case = json!({"wire": "82", "headers": [{":method": "GET"}]});
        assert_eq!(judge(&mut Decoder::new(true), &case), Verdict::Agree);
        let case = json!({"wire": "82", "headers": [{":method": "PUT"}]});
        assert!(matches!(judge(&mut Decoder::new(true), &case), Verdict::Differ(_)));
    }
}
