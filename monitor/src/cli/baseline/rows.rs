//! Rows as `export` writes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context as _, anyhow};

use crate::baseline::Row;
use crate::control::shape::BaselineRow;
use crate::detectors::DetectorName;

/// What a file of them holds, by detector.
pub(in crate::cli) fn read(file: &Path) -> anyhow::Result<BTreeMap<DetectorName, Vec<Row>>> {
    let cannot = || format!("cannot read {}", file.display());
    let mut rows: BTreeMap<DetectorName, Vec<Row>> = BTreeMap::new();
    for (name, body) in sorted(BufReader::new(File::open(file).with_context(cannot)?)).with_context(cannot)? {
        let all = rows.entry(name.parse().with_context(cannot)?).or_default();
        for line in body.lines() {
            let row: BaselineRow<'_> = serde_json::from_str(&line?).with_context(cannot)?;
            all.push(
                row.row()
                    .map_err(|error| anyhow!("detail: {error}"))
                    .with_context(cannot)?,
            );
        }
    }
    Ok(rows)
}

/// The rows of each detector.
pub(super) fn sorted(input: impl BufRead) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut bodies: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (number, line) in input.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let row: BaselineRow<'_> = serde_json::from_str(&line).with_context(|| format!("line {}", number + 1))?;
        row.detector
            .parse::<DetectorName>()
            .with_context(|| format!("line {}", number + 1))?;
        let body = bodies.entry(row.detector.to_string()).or_default();
        body.extend_from_slice(line.as_bytes());
        body.push(b'\n');
    }
    Ok(bodies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_detector_and_a_wrong_line_is_named() {
        let row = |detector: &str| {
            format!(
                r#"{{"detector":"{detector}","subject":"a","member":"","first":"2026-11-27T00:00:00Z","last":"2026-11-27T00:00:00Z","count":1,"marks":0}}"#
            )
        };
        let text = [row("dns_tunnel"), row("user_agent"), String::new(), row("dns_tunnel")].join("\n");
        let bodies = sorted(text.as_bytes()).unwrap();
        assert_eq!(bodies["dns_tunnel"].lines().count(), 2);
        assert_eq!(bodies.len(), 2);
        for wrong in [row("nothing"), "{}".to_owned()] {
            let text = format!("{}\n{wrong}", row("dns_tunnel"));
            let error = format!("{:#}", sorted(text.as_bytes()).unwrap_err());
            assert!(error.starts_with("line 2"), "{error}");
        }
    }
}
