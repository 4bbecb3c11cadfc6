//! What the binary is made of: a bill of materials in `CycloneDX` JSON (version 1.5), from what cargo resolved.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The packages whose code is in the binary: the daemon, and the kernel programs that it carries.
const ROOTS: [&str; 2] = ["monitor", "monitor-ebpf"];

/// A package that is part of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// Folder with its sources, and the texts of its licences.
    pub(crate) folder: String,
    /// From a registry, and not of this workspace.
    pub(crate) foreign: bool,
    /// SHA-256 of what the registry gave.
    checksum: Option<String>,
    /// Ids of what it is built with.
    needs: BTreeSet<String>,
}

impl Part {
    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

/// Every part, by cargo's id: `metadata` is the output of `cargo metadata`, `lock` the text of `Cargo.lock`. What only tests
/// need is no part.
pub(crate) fn parts(metadata: &Value, lock: &str) -> Result<BTreeMap<String, Part>> {
    let checksums = checksums(lock);
    let packages = list(metadata, "/packages")?;
    let mut packages: BTreeMap<&str, &Value> = packages.iter().filter_map(|p| Some((p["id"].as_str()?, p))).collect();
    let nodes = list(metadata, "/resolve/nodes")?;
    let nodes: BTreeMap<&str, &Value> = nodes.iter().filter_map(|n| Some((n["id"].as_str()?, n))).collect();
    let is_root = |package: &Value| package["name"].as_str().is_some_and(|name| ROOTS.contains(&name));
    let mut left: Vec<&str> = packages.iter().filter(|(_, p)| is_root(p)).map(|(id, _)| *id).collect();
    let mut parts = BTreeMap::new();
    while let Some(id) = left.pop() {
        let Some(package) = packages.remove(id) else { continue };
        let deps = nodes.get(id).and_then(|node| node["deps"].as_array());
        let needs: Vec<&str> = deps.into_iter().flatten().filter_map(needed).collect();
        left.extend(&needs);
        let text = |key: &str| package[key].as_str().map(str::to_owned);
        let name = text("name").context("a package without a name")?;
        let version = text("version").context("a package without a version")?;
        let manifest = text("manifest_path").context("a package that is nowhere")?;
        let part = Part {
            license: text("license"),
            folder: manifest.trim_end_matches("Cargo.toml").to_owned(),
            foreign: package["source"].is_string(),
            checksum: checksums
                .get(&(name.as_str(), version.as_str()))
                .map(|&sum| sum.to_owned()),
            needs: needs.into_iter().map(str::to_owned).collect(),
            name,
            version,
        };
        parts.insert(id.to_owned(), part);
    }
    Ok(parts)
}

/// The bill. It holds no time and no number of chance: the same lock file gives the same bytes.
pub(crate) fn cyclonedx(parts: &BTreeMap<String, Part>, version: &str) -> Value {
    let component = |part: &Part| {
        let mut component = json!({
            "type": "library",
            "bom-ref": part.purl(),
            "name": part.name,
            "version": part.version,
            "purl": part.purl(),
        });
        if let Some(license) = &part.license {
            // The old way to write OR is no expression of SPDX.
            component["licenses"] = json!([{ "expression": license.replace('/', " OR ") }]);
        }
        if let Some(checksum) = &part.checksum {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        component
    };
    let is_product = |part: &Part| part.name == ROOTS[0];
    let mut sorted: Vec<&Part> = parts.values().collect();
    sorted.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let purls = |ids: &BTreeSet<String>| -> BTreeSet<String> {
        ids.iter().filter_map(|id| parts.get(id)).map(Part::purl).collect()
    };
    let dependencies: Vec<Value> = sorted
        .iter()
        .map(|part| {
            let mut needs = purls(&part.needs);
            if is_product(part) {
                // Not by cargo: it carries what they were built into.
                needs.extend(
                    sorted
                        .iter()
                        .filter(|other| other.name == ROOTS[1])
                        .map(|other| other.purl()),
                );
            }
            json!({ "ref": part.purl(), "dependsOn": needs })
        })
        .collect();
    let components: Vec<Value> = sorted
        .iter()
        .filter(|part| !is_product(part))
        .map(|part| component(part))
        .collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": format!("pkg:cargo/{}@{version}", ROOTS[0]),
                "name": ROOTS[0],
                "version": version,
                "licenses": [{ "expression": "(MIT OR Apache-2.0) AND (GPL-2.0-only OR MIT)" }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    })
}

/// The package of an edge of the graph, unless only tests need it.
fn needed(dependency: &Value) -> Option<&str> {
    let kinds = dependency["dep_kinds"].as_array()?;
    // No kind is the usual one.
    let counts = kinds
        .iter()
        .any(|kind| kind["kind"].is_null() || kind["kind"] == "build");
    counts.then(|| dependency["pkg"].as_str()).flatten()
}

/// `checksum` of each package in `Cargo.lock`, by name and version.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    let blocks = lock.split("[[package]]").skip(1);
    let field = |block: &'_ str, name: &str| -> Option<(usize, usize)> {
        let key = format!("\n{name} = \"");
        let from = block.find(&key)? + key.len();
        Some((from, from + block.get(from..)?.find('"')?))
    };
    blocks
        .filter_map(|block| {
            let get = |name| field(block, name).and_then(|(from, to)| block.get(from..to));
            Some(((get("name")?, get("version")?), get("checksum")?))
        })
        .collect()
}

fn list<'a>(metadata: &'a Value, pointer: &str) -> Result<&'a Vec<Value>> {
    let found = metadata.pointer(pointer).and_then(Value::as_array);
    found.with_context(|| format!("cargo metadata gives no {pointer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: Option<&str>) -> Value {
        json!({
            "id": name, "name": name, "version": "1.2.3", "license": "MIT/Apache-2.0", "source": source,
            "manifest_path": format!("/src/{name}/Cargo.toml"),
        })
    }

    fn node(name: &str, deps: &[(&str, Option<&str>)]) -> Value {
        let deps = deps
            .iter()
            .map(|(pkg, kind)| json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] }));
        json!({ "id": name, "deps": deps.collect::<Vec<_>>() })
    }

    fn example() -> BTreeMap<String, Part> {
        let registry = Some("registry+https://github.com/rust-lang/crates.io-index");
        let metadata = json!({
            "packages": [
                package("monitor", None), package("monitor-ebpf", None), package("tokio", registry),
                package("cc", registry), package("proptest", registry), package("xtask", None),
            ],
            "resolve": { "nodes": [
                node("monitor", &[("tokio", None), ("proptest", Some("dev"))]),
                node("tokio", &[("cc", Some("build"))]), node("cc", &[]), node("proptest", &[]),
                node("monitor-ebpf", &[]), node("xtask", &[("tokio", None)]),
            ] },
        });
        let lock = "version = 4\n\n[[package]]\nname = \"cc\"\nversion = \"1.2.3\"\nsource = \"registry\"\nchecksum = \"ab12\"\n\n\
                    [[package]]\nname = \"monitor\"\nversion = \"1.2.3\"\n";
        parts(&metadata, lock).unwrap_or_default()
    }

    #[test]
    fn what_is_built_in_is_a_part_and_what_tests_need_is_not() {
        let names: Vec<_> = example().into_keys().collect();
        assert_eq!(names, ["cc", "monitor", "monitor-ebpf", "tokio"]);
    }

    #[test]
    fn the_bill_names_each_part_once_with_what_it_needs() {
        let bill = cyclonedx(&example(), "1.2.3");
        assert_eq!(bill["metadata"]["component"]["bom-ref"], "pkg:cargo/monitor@1.2.3");
        let parts: Vec<_> = bill["components"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|c| &c["purl"])
            .collect();
        assert_eq!(
            parts,
            [
                "pkg:cargo/cc@1.2.3",
                "pkg:cargo/monitor-ebpf@1.2.3",
                "pkg:cargo/tokio@1.2.3"
            ]
        );
        let cc = &bill["components"][0];
        assert_eq!(cc["hashes"][0]["content"], "ab12");
        assert_eq!(cc["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert!(bill["components"][2].get("hashes").is_none());
        assert_eq!(
            bill["dependencies"][1],
            json!({
                "ref": "pkg:cargo/monitor@1.2.3",
                "dependsOn": ["pkg:cargo/monitor-ebpf@1.2.3", "pkg:cargo/tokio@1.2.3"],
            })
        );
    }
}
