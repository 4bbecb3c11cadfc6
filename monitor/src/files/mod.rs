//! The files that the configuration names, read for the engine. [`watch`](mod@watch) notices when they are replaced.

#[cfg(feature = "live")]
mod watch;

#[cfg(feature = "live")]
pub use watch::Watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

use crate::config::Config;
use crate::enrich::endpoints::Documented;
use crate::enrich::reference::Reference;

/// Largest OpenAPI document read, bytes; those of large APIs have some megabytes.
const MAX_DOCUMENT: u64 = 64 << 20;

/// All files that `config` names.
pub fn named(config: &Config) -> Vec<PathBuf> {
    config.openapi.documents.clone()
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
        documented: Arc::new(documented),
        has_documents: !config.openapi.documents.is_empty(),
    })
}

/// A file as text, if it is no larger than `max` bytes.
fn text(path: &Path, max: u64) -> Result<String> {
    let size = fs::metadata(path)?.len();
    if size > max {
        bail!("it has {size} bytes, and {max} are read at most");
    }
    Ok(fs::read_to_string(path)?)
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
}
