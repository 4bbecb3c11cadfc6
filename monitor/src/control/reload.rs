//! `/v1/reload`: the configuration is read again.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::routes::{Counter, json};
use super::shape::Reloaded;
use super::{Peer, Refusal};
use crate::config::Changes;

type Reloading = Pin<Box<dyn Future<Output = Result<Changes, Refusal>> + Send>>;

/// How the daemon reads its configuration again.
#[derive(Clone)]
pub struct Reload(Arc<dyn Fn() -> Reloading + Send + Sync>);

impl Reload {
    /// It goes so.
    pub fn new<F: Future<Output = Result<Changes, Refusal>> + Send + 'static>(
        how: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move || Box::pin(how())))
    }

    /// Does it.
    pub async fn run(&self) -> Result<Changes, Refusal> {
        (self.0)().await
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reload")
    }
}

pub(super) async fn reload(
    State(counter): State<Counter>,
    Extension(peer): Extension<Peer>,
) -> Result<Response, Refusal> {
    peer.may_change()?;
    tracing::info!("uid {} asks for the configuration to be read again", peer.uid);
    json(&Reloaded::from(&counter.reload.run().await?))
}
