//! What a node answers to a post.

use super::error::ClientError;
use super::http::Answer;
use super::problem::{Document, Problem, plain};
use medanchor_ledger::EventId;
use serde::Deserialize;

/// What became of one event.
#[derive(Debug)]
pub enum Item {
    /// It is in the pool, and may wait for what this rule asks for; or it is in the ledger, and its
    /// receipt is to be fetched.
    Accepted(EventId, Option<String>),
    /// It is in the ledger; the receipt is not verified yet.
    Anchored(Vec<u8>),
    /// It was refused.
    Problem(Box<Problem>),
}

#[derive(Deserialize)]
struct Fields {
    id: Option<String>,
    rule: Option<String>,
    problem: Option<Box<Document>>,
}

#[derive(Deserialize)]
struct Batch {
    results: Vec<Fields>,
}

const NOT_AN_ITEM: ClientError = ClientError::Nonsense("it does not say what became of the event");

impl Fields {
    fn item(self) -> Result<Item, ClientError> {
        if let Some(problem) = self.problem {
            let problem = Problem::inside(*problem).ok_or(NOT_AN_ITEM)?;
            return Ok(Item::Problem(Box::new(problem)));
        }
        let id: EventId = self.id.and_then(|id| id.parse().ok()).ok_or(NOT_AN_ITEM)?;
        Ok(Item::Accepted(id, self.rule.map(plain)))
    }
}

/// Reads the answer to one event.
pub(super) fn read_item(answer: &Answer) -> Result<Item, ClientError> {
    if answer.media_type == "text/plain" {
        return Ok(Item::Anchored(answer.body.clone()));
    }
    let fields: Fields = serde_json::from_slice(&answer.body).map_err(|_| NOT_AN_ITEM)?;
    fields.item()
}

/// Reads the answer to `count` events.
pub(super) fn read_batch(answer: &Answer, count: usize) -> Result<Vec<Item>, ClientError> {
    let batch: Batch = serde_json::from_slice(&answer.body).map_err(|_| NOT_AN_ITEM)?;
    if batch.results.len() != count {
        return Err(ClientError::Nonsense(
            "it does not have one result for each event",
        ));
    }
    batch.results.into_iter().map(Fields::item).collect()
}

/// The rule that an answer says an event waits for.
pub(super) fn rule(answer: &Answer) -> Option<String> {
    let fields: Fields = serde_json::from_slice(&answer.body).ok()?;
    fields.rule.map(plain)
}
