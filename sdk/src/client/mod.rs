//! A blocking client of nodes' HTTP interface.
//!
//! What always holds: nothing a node says is taken on trust that can be checked: an event's bytes are
//! hashed, a receipt and a checkpoint are verified against what the client believes, one policy or all
//! that a chain has proved ([`Trust`]), before they are returned. What
//! cannot be checked yet says so in its name. Answers are bounded in size and time, requests are
//! repeated as they are, and neither payloads nor secrets are ever part of a request or an error.

mod answer;
pub(crate) mod coming;
mod config;
mod error;
pub(crate) mod http;
mod judge;
mod pace;
pub(crate) mod problem;
mod proved;
mod retry;
#[cfg(feature = "testing")]
pub mod testing;
mod transparent;
mod trust;
mod unproven;

pub use config::ClientConfig;
pub use error::ClientError;
pub(crate) use error::Waits;
pub use http::NoAnswer;
pub use problem::Problem;
pub use trust::Trust;

use crate::context::{Context, System};
use crate::receipt::{Anchored, verify_receipt_in};
use answer::{Item, read_batch, read_item};
use http::{Answer, Request};
use judge::Judge;
use medanchor_ledger::EventId;
use medanchor_ledger::event::Event;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{CheckpointPolicy, VerifiedCheckpoint};
use retry::Nodes;
use std::sync::Arc;

const COSE: &str = "application/cose";
const CBOR_SEQUENCE: &str = "application/cbor-seq";
const JSON: &str = "application/json, application/problem+json";
const TEXT: &str = "text/plain, application/json, application/problem+json";
const BYTES: &str = "application/cose, application/octet-stream, application/problem+json";

/// The most bytes of a receipt or of an event with its receipt.
const MAX_RECEIPT: u64 = 300 << 10;
/// The most bytes of the answer to a batch.
const MAX_BATCH_ANSWER: u64 = 16 << 20;
/// The most bytes of a block, a state value, a genesis or a policy.
const MAX_FILE: u64 = 16 << 20;
/// The most events that are posted at once.
const BATCH_EVENTS: usize = 256;
/// The most bytes that are posted at once.
const BATCH_BYTES: usize = 512 << 10;

/// What became of a posted event so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Posted {
    /// It is in the node's pool, or its receipt is still to be fetched.
    Accepted {
        /// The rule that it waits for, if it waits for one.
        rule: Option<String>,
    },
    /// It is in the ledger.
    Anchored(Box<Anchored>),
}

/// A client of one network, at one node or several.
pub struct Client {
    nodes: Nodes,
    config: ClientConfig,
    judge: Judge,
    context: Arc<dyn Context>,
}

impl Client {
    /// A client that asks these nodes in turn and believes one policy, or all that were walked from
    /// the genesis file.
    ///
    /// # Errors
    /// [`ClientError::NoNode`].
    pub fn new<A: Into<String>>(
        nodes: impl IntoIterator<Item = A>,
        trust: impl Into<Trust>,
    ) -> Result<Self, ClientError> {
        Self::with(nodes, trust, ClientConfig::default(), Arc::new(System))
    }

    /// A client with a patience, a clock and a random source of the caller's.
    ///
    /// # Errors
    /// [`ClientError::NoNode`].
    pub fn with<A: Into<String>>(
        nodes: impl IntoIterator<Item = A>,
        trust: impl Into<Trust>,
        config: ClientConfig,
        context: Arc<dyn Context>,
    ) -> Result<Self, ClientError> {
        let addresses: Vec<String> = nodes
            .into_iter()
            .map(|node| node.into().trim_end_matches('/').to_owned())
            .collect();
        if addresses.is_empty() {
            return Err(ClientError::NoNode);
        }
        let nodes = Nodes::new(addresses, &config);
        Ok(Self {
            nodes,
            config,
            judge: Judge::new(trust.into()),
            context,
        })
    }

    /// The nodes' addresses.
    #[must_use]
    pub fn nodes(&self) -> &[String] {
        self.nodes.addresses()
    }

    /// How patient the client is.
    #[must_use]
    pub const fn config(&self) -> &ClientConfig {
        &self.config
    }

    pub(crate) fn context(&self) -> &dyn Context {
        self.context.as_ref()
    }

    fn ask(&self, request: &Request<'_>) -> Result<Answer, ClientError> {
        Ok(self
            .nodes
            .ask(request, &self.config, self.context.as_ref())?)
    }

    fn get(&self, path: &str, accept: &'static str, limit: u64) -> Result<Answer, ClientError> {
        let patience = self.config.request_timeout;
        self.ask(&Request {
            path,
            body: None,
            accept,
            limit,
            patience,
        })
    }

    /// Posts one event; with `wait`, the node holds its answer until there is a receipt or its own
    /// bound is over.
    ///
    /// # Errors
    /// [`ClientError`]. A refusal has the rule and the winner.
    pub fn post(&self, event: &Event, wait: bool) -> Result<Posted, ClientError> {
        let (path, patience) = match wait {
            true => ("/v1/events?wait=receipt", self.config.wait_timeout),
            false => ("/v1/events", self.config.request_timeout),
        };
        let request = Request {
            path,
            body: Some((event.encoded(), COSE)),
            accept: JSON,
            limit: MAX_RECEIPT,
            patience,
        };
        self.believed(|| self.posted(event, read_item(&self.ask(&request)?)?))
    }

    /// Posts many events; gives one result for each, in their order. An event whose post got no
    /// answer may have been accepted; posting it again does no harm.
    pub fn post_batch(&self, events: &[&Event]) -> Vec<Result<Posted, ClientError>> {
        let mut results = Vec::with_capacity(events.len());
        let mut rest = events;
        while !rest.is_empty() {
            let (some, after) = rest.split_at(batch_length(rest));
            match self.believed(|| self.post_some(some)) {
                Ok(answers) => results.extend(answers),
                Err(error) => {
                    // What did not get through now would not a moment later either.
                    results.resize(events.len(), Err(error));
                    break;
                }
            }
            rest = after;
        }
        results
    }

    fn post_some(
        &self,
        events: &[&Event],
    ) -> Result<Vec<Result<Posted, ClientError>>, ClientError> {
        let bytes = events
            .iter()
            .map(|event| event.encoded())
            .collect::<Vec<_>>()
            .concat();
        let answer = self.ask(&Request {
            path: "/v1/events/batch",
            body: Some((&bytes, CBOR_SEQUENCE)),
            accept: JSON,
            limit: MAX_BATCH_ANSWER,
            patience: self.config.wait_timeout,
        })?;
        let items = read_batch(&answer, events.len())?;
        let posted = events
            .iter()
            .zip(items)
            .map(|(event, item)| self.posted(event, item));
        Ok(posted.collect())
    }

    /// Asks once more at each other node as long as what a node gives cannot be believed.
    fn believed<T>(&self, ask: impl Fn() -> Result<T, ClientError>) -> Result<T, ClientError> {
        let mut answer = ask();
        for _ in 1..self.nodes.addresses().len() {
            match &answer {
                Err(error) if error.is_distrust() => self.nodes.pass_over(),
                _ => return answer,
            }
            answer = ask();
        }
        answer
    }

    /// Turns to the next node, if there is one.
    pub(crate) fn turn_to_next_node(&self) {
        self.nodes.pass_over();
    }

    fn posted(&self, event: &Event, item: Item) -> Result<Posted, ClientError> {
        match item {
            Item::Problem(problem) => Err(ClientError::Problem(problem)),
            Item::Accepted(id, _) if id != event.id() => {
                Err(ClientError::Nonsense("it names another event"))
            }
            Item::Accepted(_, rule) => Ok(Posted::Accepted { rule }),
            Item::Anchored(receipt) => {
                let anchored = verify_receipt_in(&self.judge, event.encoded(), &receipt)?;
                Ok(Posted::Anchored(Box::new(anchored)))
            }
        }
    }

    /// An event that the node knows, checked against its id.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with code `not-found` when the node does not know it, and
    /// [`ClientError::Pending`] while it is in the pool.
    pub fn event(&self, id: &EventId) -> Result<Event, ClientError> {
        self.believed(|| self.event_once(id))
    }

    fn event_once(&self, id: &EventId) -> Result<Event, ClientError> {
        let answer = self.get(&format!("/v1/events/{id}"), BYTES, MAX_RECEIPT)?;
        refuse_pending(&answer)?;
        let event = Event::decode(&answer.body)
            .map_err(|_| ClientError::Nonsense("what it calls an event is none"))?;
        if event.id() == *id {
            Ok(event)
        } else {
            Err(ClientError::Nonsense(
                "it gives another event than was asked for",
            ))
        }
    }

    /// The receipt of an event, verified. With `wait`, the node holds its answer until there is one
    /// or its own bound is over.
    ///
    /// # Errors
    /// [`ClientError::Pending`] while there is none; [`ClientError::Problem`] with code `not-found`
    /// when the node does not know the event, and with the rule when it was refused.
    pub fn receipt(&self, event: &Event, wait: bool) -> Result<Anchored, ClientError> {
        let (query, patience) = match wait {
            true => ("?wait=receipt", self.config.wait_timeout),
            false => ("", self.config.request_timeout),
        };
        let path = format!("/v1/events/{}/receipt{query}", event.id());
        let request = Request {
            path: &path,
            body: None,
            accept: TEXT,
            limit: MAX_RECEIPT,
            patience,
        };
        self.believed(|| {
            let answer = self.ask(&request)?;
            refuse_pending(&answer)?;
            let judge = &self.judge;
            Ok(verify_receipt_in(judge, event.encoded(), &answer.body)?)
        })
    }

    /// The node's latest checkpoint, verified.
    ///
    /// # Errors
    /// [`ClientError::Distrust`] when the policy of its size does not accept it.
    pub fn checkpoint(&self) -> Result<VerifiedCheckpoint, ClientError> {
        self.believed(|| self.checkpoint_once())
    }

    fn checkpoint_once(&self) -> Result<VerifiedCheckpoint, ClientError> {
        let answer = self.get("/checkpoint", TEXT, MAX_RECEIPT)?;
        let distrust = |error| ClientError::Distrust(Box::new(error));
        let note = Note::parse(&answer.body).map_err(|error| distrust(error.into()))?;
        self.judge.verify_checkpoint(&note).map_err(distrust)
    }
}

/// A 202 says that the event waits.
fn refuse_pending(answer: &Answer) -> Result<(), ClientError> {
    if answer.status == 202 {
        let rule = answer::rule(answer);
        return Err(ClientError::Pending { rule });
    }
    Ok(())
}

/// How many of the first events go into one post: one at least.
fn batch_length(events: &[&Event]) -> usize {
    let mut bytes = 0usize;
    let fits = |event: &&&Event| {
        bytes = bytes.saturating_add(event.encoded().len());
        bytes <= BATCH_BYTES
    };
    events
        .iter()
        .take(BATCH_EVENTS)
        .take_while(fits)
        .count()
        .max(1)
        .min(events.len())
}

#[cfg(test)]
mod tests;
