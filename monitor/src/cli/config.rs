//! `monitor config`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use crate::config;

/// Check a configuration file, or print the sample or the schema
#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say whether a configuration file can be used
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a configuration that says what holds without one
    Default,
    /// Print the JSON Schema of the configuration
    Schema,
}

impl Config {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match &self.action {
            Action::Check { file } => {
                crate::files::read(&config::Config::read(file)?)?;
                writeln!(stdout, "{}: ok", file.display())?;
            }
            Action::Default => stdout.write_all(config::Config::sample().as_bytes())?,
            Action::Schema => writeln!(stdout, "{:#}", config::Config::schema())?,
        }
        Ok(())
    }
}
