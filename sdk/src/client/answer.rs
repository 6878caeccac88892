//! What a node answers to a post.

use super::error::ClientError;
use super::http::Answer;
use super::problem::Problem;
use medanchor_ledger::EventId;
use serde::Deserialize;

/// What became of one event.
pub(super) enum Item {
    /// It is in the pool.
    Accepted(EventId),
    /// It is in the ledger; the receipt is not verified yet.
    Anchored(Option<EventId>, String),
    /// It was refused.
    Problem(Box<Problem>),
}

#[derive(Deserialize)]
struct Fields {
    id: Option<String>,
    receipt: Option<String>,
    problem: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Batch {
    results: Vec<Fields>,
}

const NOT_AN_ITEM: ClientError = ClientError::Nonsense("it does not say what became of the event");

impl Fields {
    fn item(self) -> Result<Item, ClientError> {
        if let Some(problem) = self.problem {
            let problem = Problem::read_value(problem).ok_or(NOT_AN_ITEM)?;
            return Ok(Item::Problem(Box::new(problem)));
        }
        let id: EventId = self.id.and_then(|id| id.parse().ok()).ok_or(NOT_AN_ITEM)?;
        Ok(match self.receipt {
            Some(receipt) => Item::Anchored(Some(id), receipt),
            None => Item::Accepted(id),
        })
    }
}

/// Reads the answer to one event.
pub(super) fn read_item(answer: &Answer) -> Result<Item, ClientError> {
    if answer.media_type == "text/plain" {
        let receipt = String::from_utf8(answer.body.clone()).map_err(|_| NOT_AN_ITEM)?;
        return Ok(Item::Anchored(None, receipt));
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
