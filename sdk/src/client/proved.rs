//! What a node says and proves: values of the state, histories of tags, decisions on access.
//!
//! What always holds: what is returned was verified against the policy, and is about what was asked
//! for. A node that keeps the state of a height no longer says so with code `not-kept`.

use super::{Answer, Client, ClientError, MAX_FILE, Request, refuse_pending};
use crate::proof::{History, HistoryReader, Proved, verify_access, verify_state};
use crate::receipt::ProofError;
use medanchor_ledger::document::{
    AccessReceipt, HistoryPage, StateDocument, VerifiedAccess, VerifiedState,
};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{EventId, Height, ParticipantName, Tag};
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
            let read = StateDocument::decode(&answer.body).map_err(ProofError::from)?;
            let range = self.trust.proof_range(&read.seal.receipt.checkpoint)?;
            let proved = verify_state(range, key, &answer.body)?;
            match height {
                Some(height) if height != proved.proved().height => {
                    Err(ProofError::Other("height").into())
                }
                _ => Ok(proved),
            }
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
        let mut newest: Option<Proved<VerifiedState>> = None;
        for _ in self.nodes() {
            let found = match (self.state(key, None), newest) {
                (Ok(found), None) => found,
                (Ok(found), Some(before)) if found.proved().time >= before.proved().time => found,
                (_, Some(before)) => before,
                (Err(error), None) => return Err(error),
            };
            if self.context().now().0.abs_diff(found.proved().time.0) <= age {
                return Ok(found);
            }
            self.turn_to_next_node();
            newest = Some(found);
        }
        newest.ok_or(ClientError::NoNode)
    }

    /// Every event that bears a tag, up to the height that the history names: exactly these, proved.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with code `not-kept` when the node keeps no histories.
    pub fn history(&self, owner: &ParticipantName, tag: &Tag) -> Result<History, ClientError> {
        self.believed(|| self.history_once(owner, tag))
    }

    fn history_once(&self, owner: &ParticipantName, tag: &Tag) -> Result<History, ClientError> {
        let mut reading = HistoryReader::new(owner, tag);
        let mut pages = Vec::new();
        loop {
            let path = format!("/v1/tags/{owner}/{tag}/history?first={}", reading.len());
            let patience = self.config().request_timeout;
            let answer = self.document(&path, HistoryPage::MAX_BYTES, patience)?;
            let page = HistoryPage::decode(&answer.body).map_err(ProofError::from)?;
            pages.extend_from_slice(&answer.body);
            let range = self.trust.page_range(&page)?;
            if let Some(proved) = reading.add(page, range)? {
                return Ok(reading.finish(proved, pages));
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
            let read = AccessReceipt::decode(&answer.body).map_err(ProofError::from)?;
            let range = self.trust.proof_range(&read.seal.receipt.checkpoint)?;
            Ok(verify_access(range, event, &answer.body)?)
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
