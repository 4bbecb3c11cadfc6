//! Our reading of captures and vectors of others, compared with theirs.

pub mod captures;
pub mod hpack;
pub mod llhttp;
pub mod report;
pub mod suricata;
pub mod verify;
pub mod zeek;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use self::report::{Explained, Report};

/// Differences that are known, with their reasons.
const EXPLAINED: &str = include_str!("../../conformance/explained.txt");

/// Compares what there is in a folder (its layout is in `docs/conformance.md`).
pub fn compare(folder: &Path) -> anyhow::Result<Report> {
    let mut corpora = Vec::new();
    let vectors = folder.join("http1/llhttp");
    if vectors.exists() {
        corpora.push(llhttp::compare(&vectors)?);
    }
    let vectors = folder.join("hpack");
    if vectors.exists() {
        corpora.push(hpack::compare(&vectors)?);
    }
    let pcap = folder.join("pcap");
    if pcap.exists() {
        let mut paths = files(&pcap, "pcap")?;
        paths.extend(files(&pcap, "pcapng")?);
        let (corpus, seen) = captures::all(&paths, folder);
        corpora.push(corpus);
        if folder.join("PEER-suricata-7.0.10.jsonl").exists() {
            corpora.extend(suricata::compare(folder, &seen)?);
        }
        if pcap.join("suricata-verify").exists() {
            corpora.push(verify::compare(folder, &seen)?);
        }
        if pcap.join("zeek").exists() {
            corpora.extend(zeek::compare(folder, &seen)?);
        }
    }
    anyhow::ensure!(
        !corpora.is_empty(),
        "{} holds nothing that is compared",
        folder.display()
    );
    Ok(Report::new(corpora, Explained::parse(EXPLAINED)?))
}

/// Files below a folder with this extension, in order of their names.
fn files(folder: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
