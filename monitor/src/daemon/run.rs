//! `monitor run`: from the lock to the last record.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

use super::engine::{Core, Ends, Engine};
use super::lock::Lock;
use super::notify::{READY, STOPPING, notify};
use super::reload::Reloader;
use super::source::Source;
use crate::confine::{Confinement, Role};
use crate::control::{self, Counter, Listener, Mailbox, Reload};
use crate::sinks::json::RecordSet;
use crate::sinks::{Output, OutputSpec, OutputViews, Writer};
use crate::time::Timestamp;

/// How long the engine may take to close its books.
const LAST_TURN: Duration = Duration::from_secs(10);

/// What the daemon was asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the host in records.
    pub host: Option<Arc<str>>,
    /// Types of the outputs that name none.
    pub records: RecordSet,
    /// Where records go.
    pub outputs: Vec<OutputSpec>,
    /// They were asked for, and do not come from the configuration.
    pub outputs_are_asked_for: bool,
    /// The configuration's file, for whoever wants it read again.
    pub config: Option<PathBuf>,
    /// Percent of the host's CPU time that the daemon may spend.
    pub cpu_percent: f64,
    /// Lock that only one daemon holds, [`super::LOCK`] but for tests.
    pub lock: PathBuf,
    /// Control socket.
    pub socket: PathBuf,
    /// Group whose members may ask there.
    pub group: Option<String>,
    /// What its threads give up.
    pub confinement: Confinement,
}

/// Runs the daemon until a signal, the end of whoever reads its only output, or a failure of the capture. `make` is
/// called on the engine's thread; `enough` is one more way to end, for who runs the daemon inside a process.
pub fn run<C: Core, S: Source>(
    options: &Options,
    make: impl FnOnce() -> Result<(C, S)> + Send + 'static,
    enough: impl Future<Output = ()>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(options, make, enough))
}

async fn serve<C: Core, S: Source>(
    options: &Options,
    make: impl FnOnce() -> Result<(C, S)> + Send + 'static,
    enough: impl Future<Output = ()>,
) -> Result<()> {
    let mut signals = StopSignals::new()?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot wait for signals")?;
    // Held until the last record is written.
    let _lock = Lock::take(&options.lock)?;
    let listener = Arc::new(Listener::bind(&options.socket, options.group.as_deref())?);
    let outputs = open_outputs(options, &options.outputs)?;
    let views = OutputViews::new(&outputs);
    let (closed, mut reader_gone) = oneshot::channel();
    let writer = Writer::start(outputs, options.confinement.clone(), move || {
        let _ = closed.send(());
    })
    .context("cannot start the writer's thread")?;
    let (mailbox, inbox) = Mailbox::new();
    let ends = Ends {
        outbox: writer.outbox(),
        wanted: views
            .get()
            .iter()
            .fold(RecordSet::default(), |set, view| set.union(view.types)),
        outputs: views.clone(),
        inbox,
        stop: Arc::default(),
        cpu_percent: options.cpu_percent,
    };
    let stop = Arc::clone(&ends.stop);
    let (ready, ended) = start_engine(make, ends)?;
    // The engine's thread, which still loads and attaches, does so itself when it has done.
    options.confinement.enter(Role::Outputs);
    if let Some(path) = &options.config
        && let Err(error) = std::fs::File::open(path)
    {
        warn!(
            "{}: cannot be read again while the daemon runs: {error}; give it to root, or set [daemon] confine = false",
            path.display()
        );
    }
    let mut ended = pin!(async {
        ended
            .await
            .unwrap_or_else(|_| Err(anyhow!("the engine's thread panicked")))
    });
    let started = tokio::select! {
        result = &mut ended => return result,
        Ok(time) = ready => time,
        signal = signals.next() => {
            info!("{signal} before the capture was ready");
            return Ok(());
        }
    };

    let reloader = Arc::new(Reloader {
        options: options.clone(),
        mailbox: mailbox.clone(),
        outbox: writer.outbox(),
        views: views.clone(),
        outputs: Mutex::new(options.outputs.clone()),
    });
    let reload = Reload::new(move || Arc::clone(&reloader).reload());
    let counter = Counter {
        mailbox,
        host: options.host.clone(),
        started,
        outputs: views,
        confinement: options.confinement.clone(),
        reload: reload.clone(),
    };
    let (stop_serving, stopping) = watch::channel(false);
    let server = tokio::spawn(control::serve(Arc::clone(&listener), counter, stopping));
    notify(READY);
    info!("watching; control socket {}", options.socket.display());
    let mut enough = pin!(enough);
    let result = loop {
        tokio::select! {
            result = &mut ended => break Some(result),
            _ = &mut reader_gone => break None,
            () = &mut enough => break None,
            signal = signals.next() => {
                info!("{signal}: closing the books");
                break None;
            }
            _ = hangup.recv() => {
                let reload = reload.clone();
                // It says itself how it went.
                tokio::spawn(async move { reload.run().await });
            }
        }
    };

    notify(STOPPING);
    stop.store(true, Ordering::Relaxed);
    let result = if let Some(result) = result {
        result
    } else {
        tokio::select! {
            result = &mut ended => result,
            signal = signals.next() => Err(anyhow!("{signal} again: the last records are lost")),
            () = tokio::time::sleep(LAST_TURN) => Err(anyhow!("the engine did not end: the last records are lost")),
        }
    };
    // After the engine, so that followers get its last records.
    stop_serving.send_replace(true);
    server.await.context("the control socket's server panicked")?;
    if !writer.finish() {
        bail!("an output did not take the last records in time: see whether its disk or reader is stuck");
    }
    result
}

pub(super) fn open_outputs(options: &Options, specs: &[OutputSpec]) -> Result<Vec<Output>> {
    let open = |spec: &OutputSpec| {
        Output::open(spec, options.records, options.host.clone())
            .with_context(|| format!("cannot open the output {}: name another with --output", spec.place))
    };
    specs.iter().map(open).collect()
}

type Ready = oneshot::Receiver<Timestamp>;
type Ended = oneshot::Receiver<Result<()>>;

fn start_engine<C: Core, S: Source>(
    make: impl FnOnce() -> Result<(C, S)> + Send + 'static,
    ends: Ends,
) -> Result<(Ready, Ended)> {
    let (tell_ready, ready) = oneshot::channel();
    let (tell_ended, ended) = oneshot::channel();
    let work = move || {
        let (core, source) = make()?;
        // If nobody waits for it any more, `stop` is set.
        let _ = tell_ready.send(source.now());
        Engine::new(core, source, ends).run()
    };
    thread::Builder::new()
        .name("monitor-engine".to_owned())
        .spawn(move || tell_ended.send(work()))
        .context("cannot start the engine's thread")?;
    Ok((ready, ended))
}

/// The signals that ask for the end.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn new() -> Result<Self> {
        let open = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            interrupt: open(SignalKind::interrupt())?,
            terminate: open(SignalKind::terminate())?,
        })
    }

    /// The next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
