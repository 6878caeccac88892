//! The readers of what a node answers, which are private to the client, as functions of bytes: for the
//! fuzzers.

pub use super::answer::Item;
pub use super::problem::{MAX_RECEIPT, MAX_REFUSAL, MAX_TEXT};

use super::Trust;
use super::answer::{read_batch, read_item};
use super::http::Answer;
use super::problem::Problem;
use super::proved::{read_page, read_state};
use super::unproven::read_value;
use crate::proof::{History, HistoryReader, Proved, verify_access};
use medanchor_ledger::document::{VerifiedAccess, VerifiedState};
use medanchor_ledger::rules::StateValue;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{EventId, Height, ParticipantName, Tag};

fn answer(media_type: &str, body: &[u8]) -> Answer {
    Answer {
        status: 200,
        media_type: media_type.to_owned(),
        retry_after: None,
        body: body.to_vec(),
    }
}

/// Reads the answer to one event.
#[must_use]
pub fn item(media_type: &str, body: &[u8]) -> Option<Item> {
    read_item(&answer(media_type, body)).ok()
}

/// Reads the answer to so many events.
#[must_use]
pub fn batch(body: &[u8], count: usize) -> Option<Vec<Item>> {
    read_batch(&answer("application/json", body), count).ok()
}

/// Reads the rule that an event waits for.
#[must_use]
pub fn rule(body: &[u8]) -> Option<String> {
    super::answer::rule(&answer("application/json", body))
}

/// Reads a refusal.
#[must_use]
pub fn problem(status: u16, body: &[u8]) -> Problem {
    Problem::read(status, body, None)
}

/// Reads a value that nothing proves.
#[must_use]
pub fn value<V: StateValue>(body: &[u8]) -> Option<Option<V>> {
    read_value(body).ok()
}

/// Reads the proof of a value.
#[must_use]
pub fn state(
    trust: &Trust,
    key: &StateKey,
    height: Option<Height>,
    body: &[u8],
) -> Option<Proved<VerifiedState>> {
    read_state(trust, key, height, body).ok()
}

/// Reads the pages of a history, each an answer, as far as they are needed.
#[must_use]
pub fn history(
    trust: &Trust,
    owner: &ParticipantName,
    tag: &Tag,
    pages: &[&[u8]],
) -> Option<History> {
    let mut reading = HistoryReader::new(owner, tag);
    for (number, page) in pages.iter().enumerate() {
        if let Some(proved) = read_page(trust, &mut reading, page).ok()? {
            let read = pages.get(..=number).unwrap_or_default();
            return Some(reading.finish(proved, read.concat()));
        }
    }
    None
}

/// Reads the proof of a decision on access.
#[must_use]
pub fn access(trust: &Trust, event: &EventId, body: &[u8]) -> Option<Proved<VerifiedAccess>> {
    verify_access(trust, event, body).ok()
}
