//! A node as its clients see it: plain HTTP over kept connections, without retries, so that a
//! scenario sees every failure.

use anyhow::{Context, Result, bail};
use medanchor_ledger::event::Event;
use medanchor_ledger::{EventId, Index};
use medanchor_node::http::service::Status;
use serde::Deserialize;
use std::time::Duration;
use ureq::Agent;

/// The largest answer that is read.
const MAX_ANSWER: u64 = 64 << 20;

/// Connections to one node. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    url: String,
}

/// What became of one event of a batch.
#[derive(Clone, Debug, Deserialize)]
pub struct BatchResult {
    /// `pooled`, `anchored` or `refused`.
    pub status: String,
    /// Its place in the log, once anchored.
    pub index: Option<u64>,
    /// Why it was refused.
    pub problem: Option<serde_json::Value>,
}

impl BatchResult {
    /// Its place in the log, if it is anchored.
    #[must_use]
    pub fn anchored(&self) -> Option<Index> {
        self.index.filter(|_| self.status == "anchored").map(Index)
    }
}

/// The answer to a batch.
#[derive(Clone, Debug, Deserialize)]
pub struct BatchAnswer {
    /// How many events were taken or are known already.
    pub accepted: usize,
    /// How many were refused.
    pub refused: usize,
    /// One result for each event, in their order.
    pub results: Vec<BatchResult>,
}

impl Client {
    /// Connections to the node at `url`; no answer is waited for longer than `patience`.
    #[must_use]
    pub fn new(url: impl Into<String>, patience: Duration) -> Self {
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(patience))
            // A node closes a connection that was idle for five seconds: none is asked again by then.
            .max_idle_age(Duration::from_secs(2))
            .proxy(None);
        Self {
            agent: settings.build().new_agent(),
            url: url.into(),
        }
    }

    /// The node's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the node takes part.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let answer = self.agent.get(format!("{}/ready", self.url)).call();
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// How the node is.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn status(&self) -> Result<Status> {
        Ok(serde_json::from_slice(&self.get("/v1/status")?)?)
    }

    /// What the node answers to a GET of `path`.
    ///
    /// # Errors
    /// If it does not answer, or with a problem.
    pub fn get(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.agent.get(format!("{}{path}", self.url)).call()?;
        body(answer)
    }

    /// The same, of the media type `accept`.
    ///
    /// # Errors
    /// If it does not answer, or with a problem.
    pub fn get_as(&self, path: &str, accept: &str) -> Result<Vec<u8>> {
        let request = self.agent.get(format!("{}{path}", self.url));
        body(request.header("accept", accept).call()?)
    }

    /// An event's receipt.
    ///
    /// # Errors
    /// If there is none.
    pub fn receipt(&self, id: &EventId) -> Result<Vec<u8>> {
        self.get(&format!("/v1/events/{id}/receipt"))
    }

    /// Posts one event and waits for its receipt.
    ///
    /// # Errors
    /// If it is refused, or not anchored within the bounds of node and client.
    pub fn anchor(&self, event: &Event) -> Result<Vec<u8>> {
        let url = format!("{}/v1/events?wait=receipt", self.url);
        let request = self.agent.post(url).content_type("application/cose");
        let answer = request.send(event.encoded())?;
        if answer.status() != 200 {
            bail!("no receipt: {}", said(answer));
        }
        body(answer)
    }

    /// Posts a batch, and waits until all of it is anchored or refused if `wait` says so.
    ///
    /// # Errors
    /// If the node does not answer, or takes none of it.
    pub fn post(&self, batch: &[u8], wait: bool) -> Result<BatchAnswer> {
        let query = if wait { "?wait=receipt" } else { "" };
        let url = format!("{}/v1/events/batch{query}", self.url);
        let request = self.agent.post(url).content_type("application/cbor-seq");
        let answer = body(request.send(batch)?)?;
        serde_json::from_slice(&answer).context("the answer to a batch")
    }
}

fn body(mut answer: ureq::http::Response<ureq::Body>) -> Result<Vec<u8>> {
    if !answer.status().is_success() {
        bail!("refused: {}", said(answer));
    }
    let limited = answer.body_mut().with_config().limit(MAX_ANSWER);
    Ok(limited.read_to_vec()?)
}

fn said(mut answer: ureq::http::Response<ureq::Body>) -> String {
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    format!("{} {text}", answer.status())
}

/// The events one after the other, as a batch is posted.
#[must_use]
pub fn batch(events: &[Event]) -> Vec<u8> {
    events
        .iter()
        .flat_map(|event| event.encoded())
        .copied()
        .collect()
}
