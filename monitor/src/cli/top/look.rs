//! One look at the daemon: what it says on the control socket.

use std::path::Path;

use hyper::Method;
use serde::de::DeserializeOwned;

use crate::cli::listing::read;
use crate::control::client::{ClientError, ask};
use crate::control::rows::Endpoint;
use crate::control::shape::Status;
use crate::sinks::json::{Flow, Incident, Line};

/// Of incidents and endpoints so many are asked for: more than a screen has rows.
const MOST: usize = 200;

/// What the daemon said.
pub(super) struct Look {
    pub(super) status: Status<'static>,
    pub(super) incidents: Vec<Line<'static, Incident<'static>>>,
    pub(super) endpoints: Vec<Endpoint<'static>>,
    pub(super) flows: Vec<Line<'static, Flow<'static>>>,
}

/// Asks for everything, one after the other.
pub(super) async fn look(socket: &Path) -> Result<Look, ClientError> {
    let status = lines(socket, "/v1/status").await?.pop();
    Ok(Look {
        status: status.ok_or_else(|| ClientError::Garbled("it says nothing of itself".to_owned()))?,
        incidents: lines(socket, &format!("/v1/incidents?limit={MOST}")).await?,
        endpoints: lines(socket, &format!("/v1/endpoints?limit={MOST}")).await?,
        flows: lines(socket, "/v1/flows").await?,
    })
}

async fn lines<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<Vec<T>, ClientError> {
    let mut answer = ask(socket, Method::GET, path, Vec::new()).await?;
    let mut lines = Vec::new();
    while let Some(line) = answer.line().await? {
        lines.push(read(&line)?);
    }
    Ok(lines)
}
