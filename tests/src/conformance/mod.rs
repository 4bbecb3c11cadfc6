//! Our reading of captures and vectors of others, compared with theirs.

pub mod llhttp;
pub mod report;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use self::report::{Corpus, Explained, Report};

/// Differences that are known, with their reasons.
const EXPLAINED: &str = include_str!("../../conformance/explained.txt");

/// A part of the comparison.
type Part = fn(&Path) -> anyhow::Result<Corpus>;

/// Compares what there is in a folder (its layout is in `docs/conformance.md`).
pub fn compare(folder: &Path) -> anyhow::Result<Report> {
    let parts: [(&str, Part); 1] = [("http1/llhttp", llhttp::compare)];
    let mut corpora = Vec::new();
    for (part, compare) in parts {
        let path = folder.join(part);
        if path.exists() {
            corpora.push(compare(&path)?);
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
