//! Machines and what is decided for each.

use std::path::PathBuf;

use super::*;
use crate::setup::apt::tests::offering;
use crate::setup::needs::Need;

const BOOKWORM: &[(&str, &str)] = &[
    ("rustc-web", "1.96.0+dfsg1-1~deb12u2"),
    ("libstd-rust-web-dev-bpf", "1.96.0+dfsg1-1~deb12u2"),
    ("llvm-22-dev", "1:22.1.8-1~deb12u1"),
];

fn compiler(origin: Origin, release: &str, llvm: u32, core: Core) -> Compiler {
    Compiler {
        rustc: "/x/rustc".into(),
        sysroot: "/x".into(),
        origin,
        release: release.into(),
        llvm,
        core,
    }
}

fn rustup(name: &str, release: &str, llvm: u32, core: Core) -> Compiler {
    compiler(Origin::Rustup(name.into()), release, llvm, core)
}

fn debian(core: Core) -> Compiler {
    compiler(Origin::Path, "1.96.0", 22, core)
}

fn bpf_linker(llvm: u32) -> Linker {
    Linker {
        path: "/usr/bin/bpf-linker".into(),
        version: (0, 13),
        llvm: Some(llvm),
    }
}

fn found(compilers: &[Compiler], linkers: &[Linker]) -> Found {
    Found {
        compilers: compilers.to_vec(),
        linkers: linkers.to_vec(),
        missing: Vec::new(),
    }
}

fn offer(packages: &[(&str, &str)]) -> Offer {
    let apt = (!packages.is_empty()).then(|| offering(packages));
    Offer {
        rights: Rights::Root,
        apt,
        llvms: Vec::new(),
        rustup: true,
        tools: "/cache".into(),
    }
}

fn packages(names: &[&str]) -> Step {
    Step::Packages(names.iter().map(|name| (*name).to_owned()).collect())
}

fn linker_step(major: u32) -> Step {
    let root = PathBuf::from(format!("/cache/bpf-linker-{}-llvm-{major}", linker::RELEASE));
    Step::Linker {
        llvm: Llvm::debian(major),
        root,
    }
}

#[track_caller]
fn check(found: &Found, offer: &Offer, expected: &[Step]) {
    let plan = plan(found, offer);
    assert_eq!(plan.by_hand, Vec::<String>::new());
    assert_eq!(plan.steps, expected);
}

#[test]
fn a_complete_machine_needs_nothing() {
    let found = found(&[debian(Core::Precompiled)], &[bpf_linker(22)]);
    assert!(found.kit().is_some());
    assert_eq!(found.lacks(), Vec::<String>::new());
    check(&found, &offer(BOOKWORM), &[]);
}

#[test]
fn the_source_of_core_does_as_well_as_core() {
    let found = found(
        &[rustup("nightly", "1.97.0-nightly", 22, Core::Source)],
        &[bpf_linker(22)],
    );
    check(&found, &offer(&[]), &[]);
}

#[test]
fn a_stable_rust_on_debian_gets_its_source_then_a_linker() {
    let found = found(&[rustup("stable", "1.95.0", 22, Core::Absent)], &[]);
    let source = Step::RustSrc {
        toolchain: "stable".into(),
    };
    check(
        &found,
        &offer(BOOKWORM),
        &[source, packages(&["llvm-22-dev"]), linker_step(22)],
    );
}

#[test]
fn where_rustup_cannot_download_packages_bring_the_compiler() {
    let found = found(&[rustup("stable", "1.95.0", 22, Core::Absent)], &[]);
    let offer = Offer {
        rustup: false,
        ..offer(BOOKWORM)
    };
    let expected = packages(&["rustc-web", "libstd-rust-web-dev-bpf", "llvm-22-dev"]);
    check(&found, &offer, &[expected, linker_step(22)]);
}

#[test]
fn an_installed_llvm_is_used() {
    let found = found(&[debian(Core::Precompiled)], &[]);
    let llvm = Llvm {
        major: 22,
        bin: "/opt/llvm/bin".into(),
    };
    let offer = Offer {
        llvms: vec![llvm.clone()],
        ..offer(&[])
    };
    let root = format!("/cache/bpf-linker-{}-llvm-22", linker::RELEASE).into();
    check(&found, &offer, &[Step::Linker { llvm, root }]);
}

#[test]
fn a_linker_with_an_older_llvm_is_not_used() {
    let found = found(&[debian(Core::Precompiled)], &[bpf_linker(21)]);
    assert!(found.kit().is_none());
    assert_eq!(found.lacks(), ["bpf-linker 0.10 or newer and with LLVM 22 or newer"]);
    check(&found, &offer(BOOKWORM), &[packages(&["llvm-22-dev"]), linker_step(22)]);
}

#[test]
fn of_two_compilers_the_one_that_the_linker_can_read_is_used() {
    let nightly = rustup("nightly", "1.99.0-nightly", 23, Core::Source);
    let found = found(&[nightly, debian(Core::Precompiled)], &[bpf_linker(22)]);
    assert_eq!(found.kit().map(|kit| kit.compiler.release), Some("1.96.0".to_owned()));
}

#[test]
fn a_compiler_too_new_for_any_linker_is_passed_over() {
    let found = found(&[rustup("nightly", "2.10.0-nightly", 31, Core::Absent)], &[]);
    let expected = packages(&["rustc-web", "libstd-rust-web-dev-bpf", "llvm-22-dev"]);
    check(&found, &offer(BOOKWORM), &[expected, linker_step(22)]);
}

#[test]
fn an_old_packaged_compiler_is_not_installed() {
    let old = [
        ("rustc-web", "1.85.0"),
        ("libstd-rust-web-dev-bpf", "1.85.0"),
        ("llvm-22-dev", "1:22.1.8"),
    ];
    let plan = plan(&found(&[], &[]), &offer(&old));
    assert_eq!(plan.steps, []);
    assert!(
        plan.by_hand[0].starts_with("rustup toolchain install nightly --component rust-src"),
        "{plan:?}"
    );
}

#[test]
fn without_packages_the_commands_are_told() {
    let offer = Offer {
        rustup: false,
        ..offer(&[])
    };
    let plan = plan(&found(&[rustup("stable", "1.95.0", 22, Core::Absent)], &[]), &offer);
    assert_eq!(plan.steps, []);
    assert_eq!(plan.by_hand[0], "rustup component add rust-src --toolchain stable");
    assert!(
        plan.by_hand[1].contains("LLVM 22") && plan.by_hand[1].contains("--features llvm-22"),
        "{plan:?}"
    );
}

#[test]
fn missing_programs_come_as_packages_in_the_same_call() {
    let mut found = found(&[debian(Core::Precompiled)], &[]);
    found.missing = Need::Test
        .all()
        .filter(|program| ["nginx", "ab"].contains(&program.name))
        .collect();
    let mut offers = BOOKWORM.to_vec();
    offers.extend([("nginx-light", "1.22.1-9"), ("apache2-utils", "2.4.62-1")]);
    let expected = packages(&["llvm-22-dev", "nginx-light", "apache2-utils"]);
    check(&found, &offer(&offers), &[expected, linker_step(22)]);
}

#[test]
fn a_program_that_no_package_brings_is_told() {
    let mut found = found(&[debian(Core::Precompiled)], &[bpf_linker(22)]);
    found.missing = Need::Build.all().collect();
    let plan = plan(&found, &offer(BOOKWORM));
    assert_eq!(plan.by_hand, ["install `cc` (compiles SQLite and links programs)"]);
}
