//! Compares our reading of a folder of captures and vectors with that of others. Usage: conformance FOLDER
//!
//! Prints a table and each difference with its reason, and fails for a difference without one.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use monitor_tests::conformance::compare;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        bail!("one argument is wanted: the folder of captures and vectors");
    };
    let report = compare(&PathBuf::from(folder))?;
    println!("{report}");
    let failures = report.failures();
    for failure in &failures {
        eprintln!("conformance: {failure}");
    }
    Ok(if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
