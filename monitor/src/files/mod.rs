//! The files that the configuration names, read for the engine. [`watch`](mod@watch) notices when they are replaced.

#[cfg(feature = "live")]
mod watch;

#[cfg(feature = "live")]
pub use watch::Watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tracing::{info, warn};

use crate::config::Config;
use crate::enrich::endpoints::Documented;
use crate::enrich::networks::{Database, NetworkData};
use crate::enrich::reference::Reference;

/// Largest database of networks read, bytes; a database of the cities of the world has some hundred megabytes at most.
const MAX_DATABASE: u64 = 1 << 30;
/// Largest threat list read, bytes: some million lines.
const MAX_LIST: u64 = 256 << 20;
/// Largest OpenAPI document read, bytes; those of large APIs have some megabytes.
const MAX_DOCUMENT: u64 = 64 << 20;

/// All files that `config` names.
pub fn named(config: &Config) -> Vec<PathBuf> {
    let mut networks = config.networks.clone();
    config
        .openapi
        .documents
        .iter()
        .cloned()
        .chain(networks.files_mut().map(|path| path.clone()))
        .collect()
}

/// Reads them all. The error says which file, and why.
pub fn read(config: &Config) -> Result<Reference> {
    let mut documented = Documented::default();
    for path in &config.openapi.documents {
        let cannot = || format!("cannot use the OpenAPI document {}", path.display());
        documented
            .add(&text(path, MAX_DOCUMENT).with_context(cannot)?)
            .with_context(cannot)?;
    }
    for login in &config.login {
        documented.add_named(&login.endpoint);
    }
    Ok(Reference {
        networks: Arc::new(networks(config)?),
        documented: Arc::new(documented),
        has_documents: !config.openapi.documents.is_empty(),
    })
}

fn networks(config: &Config) -> Result<NetworkData> {
    let networks = &config.networks;
    let mut data = NetworkData::default();
    // What says more goes first: a city is in its country.
    for path in [&networks.city, &networks.country, &networks.asn].into_iter().flatten() {
        let cannot = || format!("cannot use the database {}", path.display());
        let bytes = bytes(path, MAX_DATABASE).with_context(cannot)?;
        data.databases.push(Database::read(bytes).with_context(cannot)?);
    }
    for path in &networks.threat_lists {
        let cannot = || format!("cannot use the threat list {}", path.display());
        let bytes = bytes(path, MAX_LIST).with_context(cannot)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let report = data.lists.add(&name, &String::from_utf8_lossy(&bytes));
        info!(
            "{}: {} networks, {} domains",
            path.display(),
            report.networks,
            report.domains
        );
        if report.unreadable + report.left_out > 0 {
            warn!(
                "{}: {} lines are no address, network or domain; for {} entries there is no room",
                path.display(),
                report.unreadable,
                report.left_out
            );
        }
    }
    Ok(data)
}

/// A file, if it is no larger than `max` bytes.
fn bytes(path: &Path, max: u64) -> Result<Vec<u8>> {
    let size = fs::metadata(path)?.len();
    if size > max {
        bail!("it has {size} bytes, and {max} are read at most");
    }
    Ok(fs::read(path)?)
}

/// A file as text, if it is no larger than `max` bytes.
fn text(path: &Path, max: u64) -> Result<String> {
    Ok(String::from_utf8(bytes(path, max)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.yaml");
        let config =
            |dir: &Path| Config::parse("[openapi]\ndocuments = [\"api.yaml\"]\n", &dir.join("monitor.toml")).unwrap();
        let error = format!("{:#}", read(&config(dir.path())).unwrap_err());
        assert!(
            error.starts_with(&format!(
                "cannot use the OpenAPI document {}: No such file",
                path.display()
            )),
            "{error}"
        );
        fs::write(&path, "swagger: '2.0'").unwrap();
        let error = format!("{:#}", read(&config(dir.path())).unwrap_err());
        assert!(
            error.ends_with("it is not an OpenAPI 3 document: `openapi` is \"\""),
            "{error}"
        );
        fs::write(&path, "openapi: 3.0.0\npaths: { /a: { get: {} } }").unwrap();
        let reference = read(&config(dir.path())).unwrap();
        assert!(reference.has_documents && reference.documented.find("GET", "/a").is_some());
    }

    #[test]
    fn lists_and_databases_are_read_from_beside_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("bad.txt"), "192.0.2.0/24\n").unwrap();
        fs::write(dir.path().join("asn.mmdb"), "no database").unwrap();
        let config = |text: &str| Config::parse(text, &dir.path().join("monitor.toml")).unwrap();
        let read_lists = config("[networks]\nthreat_lists = [\"bad.txt\"]\n");
        assert_eq!(named(&read_lists), [dir.path().join("bad.txt")]);
        let reference = read(&read_lists).unwrap();
        let list = reference.networks.lists.address("192.0.2.1".parse().unwrap());
        assert_eq!(list.as_deref(), Some("bad.txt"));
        let error = read(&config("[networks]\nasn = \"asn.mmdb\"\n")).unwrap_err();
        assert!(
            format!("{error:#}").starts_with("cannot use the database "),
            "{error:#}"
        );
    }
}
