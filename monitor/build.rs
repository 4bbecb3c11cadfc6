//! Puts the kernel object where the loader embeds it from: `$OUT_DIR/monitor.bpf.o`.
//!
//! `cargo xtask build` makes the object, since that takes another compiler than the host's. Without the feature `live`
//! there is no loader and nothing to do.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Names another object, or `none` for an empty one: enough for editors and linters, and `monitor check` says so.
const OBJECT: &str = "MONITOR_BPF_OBJECT";

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={OBJECT}");
    if env::var_os("CARGO_FEATURE_LIVE").is_none() {
        return Ok(());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?);
    let object = out.join("monitor.bpf.o");
    let source = match env::var_os(OBJECT) {
        Some(named) if named == "none" => {
            return fs::write(&object, []).map_err(|error| format!("cannot write {}: {error}", object.display()));
        }
        Some(named) => PathBuf::from(named),
        None => built(&out),
    };
    println!("cargo::rerun-if-changed={}", source.display());
    match fs::copy(&source, &object) {
        Ok(_) => Ok(()),
        Err(error) => {
            println!(
                "cargo::error=there is no kernel object to embed ({}: {error}): run `cargo xtask build`, which sets up \
                 what that needs",
                source.display()
            );
            Err("no kernel object".to_owned())
        }
    }
}

/// Where xtask puts the object: into `bpf` in cargo's target folder, which is the one above us that cargo has tagged.
fn built(out: &Path) -> PathBuf {
    let target = out
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())
        .unwrap_or(out);
    target.join("bpf/monitor.bpf.o")
}
