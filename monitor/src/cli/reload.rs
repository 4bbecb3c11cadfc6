//! `monitor reload`.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use hyper::Method;

use super::failure::Failure;
use super::listing::{read, runtime};
use crate::control::client::ask;
use crate::control::shape::Reloaded;
use crate::sinks::json::Text;

/// Have the daemon read its configuration again; one that is wrong is refused, and the old one stays
#[derive(Debug, Args)]
pub(super) struct Reload {
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

impl Reload {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        let line = runtime()?.block_on(async {
            let mut answer = ask(socket, Method::POST, "/v1/reload", Vec::new()).await?;
            answer.line().await
        })?;
        let line = line.unwrap_or_default();
        let mut stdout = io::stdout().lock();
        if self.json {
            stdout.write_all(&line)?;
            return Ok(stdout.write_all(b"\n")?);
        }
        Ok(writeln!(stdout, "{}", text(&read(&line)?))?)
    }
}

fn text(reloaded: &Reloaded<'_>) -> String {
    let list = |names: &[Text<'_>]| names.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    let mut text = if reloaded.changed.is_empty() {
        "nothing has changed".to_owned()
    } else {
        format!("changed: {}", list(&reloaded.changed))
    };
    if !reloaded.detectors.is_empty() {
        text.push_str("\nbegan anew with what they had learned: ");
        text.push_str(&list(&reloaded.detectors));
    }
    if !reloaded.restart.is_empty() {
        text.push_str("\nholds after a restart: ");
        text.push_str(&list(&reloaded.restart));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_now_and_what_later_is_said() {
        let words = |names: &[&'static str]| names.iter().map(|name| Text::Borrowed(*name)).collect::<Vec<_>>();
        let mut reloaded = Reloaded {
            changed: Vec::new(),
            detectors: Vec::new(),
            restart: Vec::new(),
        };
        assert_eq!(text(&reloaded), "nothing has changed");
        reloaded.changed = words(&["allow", "detectors"]);
        reloaded.detectors = words(&["dns_tunnel"]);
        reloaded.restart = words(&["capture"]);
        assert_eq!(
            text(&reloaded),
            "changed: allow, detectors\nbegan anew with what they had learned: dns_tunnel\nholds after a restart: capture"
        );
    }
}
