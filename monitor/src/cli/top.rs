//! `monitor top`: what goes on, on the whole screen, anew each second.

mod look;
mod screen;
mod state;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use self::look::look;
use self::state::{Todo, Top as State};
use super::failure::Failure;
use super::listing::runtime;

/// Between two looks at the daemon ...
const EVERY: Duration = Duration::from_secs(1);
/// ... and so many times as long as the last one took: a host with many flows is asked less often.
const TIMES: u32 = 10;

/// Watch live: incidents, the busiest endpoints and flows, and how the daemon goes
#[derive(Debug, Args)]
#[command(after_help = "Keys: q quit, Tab or arrows choose a pane, up and down move in it, p pause, ? help.")]
pub(super) struct Top {}

/// Takes the terminal, and watches until it is told to end.
pub(super) fn run(socket: &Path) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "`monitor top` needs a terminal; `monitor status`, `incidents`, `endpoints` and `flows` write anywhere"
                .to_owned(),
        ));
    }
    let runtime = runtime()?;
    let mut screen = Screen::take()?;
    runtime.block_on(watch(&mut screen.0, socket))
}

/// The terminal while it is ours; given back as it was, whatever ends us: this when it is dropped, a panic by a hook that
/// `ratatui` sets.
struct Screen(DefaultTerminal);

impl Screen {
    fn take() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

async fn watch(terminal: &mut DefaultTerminal, socket: &Path) -> Result<(), Failure> {
    let mut ends = Ends::new()?;
    let mut keys = keys();
    let mut state = State::default();
    let began = Instant::now();
    let mut asked = Instant::now();
    // The question that is on its way, if any.
    let mut asking = Some(Box::pin(look(socket)));
    let mut next = asked;
    loop {
        terminal.draw(|frame| screen::draw(frame, &state))?;
        tokio::select! {
            () = ends.one() => return Ok(()),
            event = keys.recv() => match event {
                Some(Event::Key(key)) => {
                    if state.key(key) == Todo::Quit {
                        return Ok(());
                    }
                }
                // A resize, say: drawn anew.
                Some(_) => {}
                // The terminal has gone.
                None => return Ok(()),
            },
            answer = async { match &mut asking { Some(question) => question.await, None => std::future::pending().await } } => {
                asking = None;
                next = Instant::now() + EVERY.max(asked.elapsed() * TIMES);
                match answer {
                    Ok(look) => state.see(began.elapsed(), &look),
                    Err(error) => state.fail(&error.to_string()),
                }
            }
            () = tokio::time::sleep_until(next.into()), if asking.is_none() => {
                asked = Instant::now();
                if state.is_paused() {
                    next = asked + EVERY;
                } else {
                    asking = Some(Box::pin(look(socket)));
                }
            }
        }
    }
}

/// What is typed, by a thread of its own: reading a terminal waits. It ends with the process, or with the terminal.
fn keys() -> mpsc::Receiver<Event> {
    let (tell, keys) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if tell.blocking_send(event).is_err() {
                return;
            }
        }
    });
    keys
}

/// Signals that ask to end; in raw mode Ctrl-C is a key.
struct Ends([Signal; 3]);

impl Ends {
    fn new() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn one(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
