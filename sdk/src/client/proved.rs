//! What a node says and proves: values of the state, histories of tags, decisions on access.
//!
//! What always holds: what is returned was verified against the policy, and is about what was asked
//! for. A node that keeps the state of a height no longer says so with code `not-kept`.

use super::{Answer, Client, ClientError, MAX_FILE, Request, refuse_pending};
use crate::proof::{History, HistoryReader, Proved, verify_access, verify_state};
use crate::receipt::ProofError;
use medanchor_ledger::document::{
    AccessReceipt, HistoryPage, StateDocument, VerifiedAccess, VerifiedHistory, VerifiedState,
};
use medanchor_ledger::policy::CheckpointPolicy;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{EventId, Height, ParticipantName, Tag, Time};
use std::time::Duration;

const CBOR: &str = "application/cbor, application/json, application/problem+json";

impl Client {
    /// What the state holds under a key, or that it holds nothing, proved; at a height, or at the
    /// newest that a checkpoint covers. With a height, the node waits until a checkpoint covers it.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with code `not-kept` or `not-checkpointed` when the node has no proof
    /// at that height.
    pub fn state(
        &self,
        key: &StateKey,
        height: Option<Height>,
    ) -> Result<Proved<VerifiedState>, ClientError> {
        let query = height.map_or(String::new(), |height| {
            format!("?height={height}&wait=receipt")
        });
        let path = format!("/v1/state/{}/proof{query}", hex::encode(key.as_bytes()));
        self.believed(|| {
            let patience = self.config().wait_timeout;
            let answer = self.document(&path, StateDocument::MAX_BYTES, patience)?;
            Ok(read_state(&self.judge, key, height, &answer.body)?)
        })
    }

    /// The newest state under a key, at most `age` milliseconds old by this client's clock: a node
    /// whose proof is older is passed over. If every node's is, the newest of them.
    ///
    /// # Errors
    /// As [`Client::state`].
    pub fn state_within(
        &self,
        key: &StateKey,
        age: u64,
    ) -> Result<Proved<VerifiedState>, ClientError> {
        let fresh = |time| self.is_within(age, time);
        self.newest(|| self.state(key, None), |found| found.proved().time, fresh)
    }

    /// The newest state under a key, of a block that is not before `since`: a node whose proof is older
    /// is passed over. If every node's is, the newest of them.
    ///
    /// # Errors
    /// As [`Client::state`].
    pub(crate) fn state_since(
        &self,
        key: &StateKey,
        since: Time,
    ) -> Result<Proved<VerifiedState>, ClientError> {
        let reached = |time| time >= since;
        self.newest(
            || self.state(key, None),
            |found| found.proved().time,
            reached,
        )
    }

    pub(crate) fn is_within(&self, age: u64, time: Time) -> bool {
        self.context().now().0.abs_diff(time.0) <= age
    }

    /// Asks the nodes in turn until one gives what is new enough; if none does, the newest. A node that
    /// refuses is passed over; where none can be reached, the first answer is the last.
    fn newest<T>(
        &self,
        ask: impl Fn() -> Result<T, ClientError>,
        time_of: impl Fn(&T) -> Time,
        is_enough: impl Fn(Time) -> bool,
    ) -> Result<T, ClientError> {
        let (mut newest, mut refused): (Option<T>, Option<ClientError>) = (None, None);
        for _ in self.nodes() {
            match ask() {
                Ok(found) if is_enough(time_of(&found)) => return Ok(found),
                Ok(found) => {
                    let before = newest.as_ref().map(&time_of);
                    if before.is_none_or(|before| time_of(&found) >= before) {
                        newest = Some(found);
                    }
                }
                Err(error @ ClientError::Unreachable(_)) => return newest.ok_or(error),
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
            self.turn_to_next_node();
        }
        newest.ok_or_else(|| refused.unwrap_or(ClientError::NoNode))
    }

    /// Every event that bears a tag, up to the height that the history names: exactly these, proved.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with code `not-kept` when the node keeps no histories.
    pub fn history(&self, owner: &ParticipantName, tag: &Tag) -> Result<History, ClientError> {
        self.believed(|| self.history_once(owner, tag))
    }

    /// The same, at most `age` milliseconds old by this client's clock: a node whose proof is older is
    /// passed over. If every node's is, the newest of them.
    ///
    /// # Errors
    /// As [`Client::history`].
    pub fn history_within(
        &self,
        owner: &ParticipantName,
        tag: &Tag,
        age: u64,
    ) -> Result<History, ClientError> {
        let fresh = |time| self.is_within(age, time);
        self.newest(
            || self.history(owner, tag),
            |found| found.proved().time,
            fresh,
        )
    }

    /// A page that is not the last must be full: a node that hands out link by link would hold the
    /// caller for as long as it likes.
    fn history_once(&self, owner: &ParticipantName, tag: &Tag) -> Result<History, ClientError> {
        let mut reading = HistoryReader::new(owner, tag);
        let mut pages = Vec::new();
        loop {
            let first = reading.len();
            let path = format!("/v1/tags/{owner}/{tag}/history?first={first}");
            let patience = self.config().request_timeout;
            let answer = self.document(&path, HistoryPage::MAX_BYTES, patience)?;
            let proved = read_page(&self.judge, &mut reading, &answer.body)?;
            pages.extend_from_slice(&answer.body);
            if let Some(proved) = proved {
                return Ok(reading.finish(proved, pages));
            }
            if reading.len() - first < HistoryPage::MAX_LINKS {
                let what = "a page of a history is neither full nor the last";
                return Err(ClientError::Nonsense(what));
            }
        }
    }

    /// What was decided on a request for access, proved with what it was decided on. With `wait`, the
    /// node holds its answer until a checkpoint covers it or its own bound is over.
    ///
    /// # Errors
    /// [`ClientError::Pending`] while no checkpoint covers it; [`ClientError::Problem`] with code
    /// `not-kept` when it came too late.
    pub fn access_receipt(
        &self,
        event: &EventId,
        wait: bool,
    ) -> Result<Proved<VerifiedAccess>, ClientError> {
        let (query, patience) = match wait {
            true => ("?wait=receipt", self.config().wait_timeout),
            false => ("", self.config().request_timeout),
        };
        let path = format!("/v1/events/{event}/access-receipt{query}");
        self.believed(|| {
            let answer = self.document(&path, AccessReceipt::MAX_BYTES, patience)?;
            refuse_pending(&answer)?;
            Ok(verify_access(&self.judge, event, &answer.body)?)
        })
    }

    fn document(
        &self,
        path: &str,
        limit: usize,
        patience: Duration,
    ) -> Result<Answer, ClientError> {
        self.ask(&Request {
            path,
            body: None,
            accept: CBOR,
            limit: u64::try_from(limit).unwrap_or(MAX_FILE),
            patience,
        })
    }
}

/// What a document proves of a key, at a height if one was asked for.
pub(super) fn read_state(
    policy: &dyn CheckpointPolicy,
    key: &StateKey,
    height: Option<Height>,
    document: &[u8],
) -> Result<Proved<VerifiedState>, ProofError> {
    let proved = verify_state(policy, key, document)?;
    match height {
        Some(height) if height != proved.proved().height => Err(ProofError::Other("height")),
        _ => Ok(proved),
    }
}

/// Adds a page of a history; the last one proves it.
pub(super) fn read_page(
    policy: &dyn CheckpointPolicy,
    reading: &mut HistoryReader,
    page: &[u8],
) -> Result<Option<VerifiedHistory>, ProofError> {
    reading.add(HistoryPage::decode(page)?, policy)
}
