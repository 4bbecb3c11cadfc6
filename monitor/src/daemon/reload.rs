//! The configuration, read again while the daemon runs. One that cannot be used changes nothing.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::run::{Options, open_outputs};
use crate::config::{Changes, Config};
use crate::control::{Ask, Mailbox, Refusal};
use crate::enrich::reference::Reference;
use crate::files;
use crate::sinks::{Outbox, OutputSpec, OutputViews, Where};

/// All that a reload touches.
#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) options: Options,
    pub(super) mailbox: Mailbox,
    pub(super) outbox: Outbox,
    pub(super) views: OutputViews,
    /// Where records go now.
    pub(super) outputs: Mutex<Vec<OutputSpec>>,
}

impl Reloader {
    /// Reads it again. Files that are written to are opened anew in any case.
    pub(super) async fn reload(self: Arc<Self>) -> Result<Changes, Refusal> {
        let done = self.attempt().await;
        match &done {
            Ok(changes) => {
                info!(
                    "the configuration was read again; changed: {}",
                    listed(&changes.at_once)
                );
                if !changes.restart.is_empty() {
                    warn!("changes of {} hold after a restart", listed(&changes.restart));
                }
            }
            Err(_) if self.options.config.is_none() => self.outbox.reopen(),
            Err(refusal) => {
                self.outbox.reopen();
                warn!("the configuration stays as it was: {}: {}", refusal.error, refusal.mend);
            }
        }
        done
    }

    async fn attempt(&self) -> Result<Changes, Refusal> {
        let Some(path) = self.options.config.clone() else {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "the daemon runs without a configuration file",
                "start it with --config FILE; the files that it writes to were opened anew",
            ));
        };
        let (config, reference) = spawn_blocking(move || read(&path))
            .await
            .map_err(|_| Refusal::unavailable())?
            .map_err(|error| {
                Refusal::bad(
                    format!("{error:#}"),
                    "the old configuration stays; mend the file and `monitor reload` again",
                )
            })?;
        let specs = self.specs(&config);
        let others = {
            let now = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
            (*now != specs).then(|| open_outputs(&self.options, &specs)).transpose()
        };
        let others = others.map_err(|error| {
            let rooms = self.options.confinement.outputs();
            let rooms: Vec<String> = rooms.iter().map(|room| room.display().to_string()).collect();
            let mend = if rooms.is_empty() {
                "the old configuration stays".to_owned()
            } else {
                format!(
                    "the old configuration stays; a confined daemon opens outputs in {} alone, others take a restart",
                    rooms.join(", ")
                )
            };
            Refusal::bad(format!("{error:#}"), mend)
        })?;
        let changes = self
            .mailbox
            .ask(|reply| Ask::Reload {
                config: Box::new(config),
                reference,
                reply,
            })
            .await?
            .map_err(|error| Refusal::bad(error, "the old configuration stays"))?;
        match others {
            Some(others) => {
                self.views.set(&others);
                self.outbox.replace(others);
                *self.outputs.lock().unwrap_or_else(PoisonError::into_inner) = specs;
            }
            None => self.outbox.reopen(),
        }
        Ok(changes)
    }

    /// Where records go by this configuration; `--output` goes before it.
    fn specs(&self, config: &Config) -> Vec<OutputSpec> {
        if self.options.outputs_are_asked_for {
            return self.options.outputs.clone();
        }
        let place = config.output.path.clone().map_or(Where::Stdout, Where::File);
        vec![OutputSpec { types: None, place }]
    }
}

fn read(path: &Path) -> anyhow::Result<(Config, Reference)> {
    let config = Config::read(path)?;
    let reference = files::read(&config)?;
    Ok((config, reference))
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.join(", ")
}
