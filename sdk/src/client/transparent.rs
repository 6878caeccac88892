//! What needs more than a receipt: transparent statements, growth between two checkpoints, and the
//! policies of a network.
//!
//! What always holds: what is returned was verified against what the client believes, and is about
//! what was asked for.

use super::{Answer, Client, ClientError, MAX_RECEIPT, Request, refuse_pending};
use crate::policies::{
    CheckError, PoliciesError, Transparent, consistency_by, verify_statement, walk_policies,
};
use medanchor_ledger::cose_receipt::TransparentStatement;
use medanchor_ledger::event::Event;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{
    CheckpointPolicy, Distrust, Policies, PolicyChain, VerifiedCheckpoint,
};
use std::sync::Arc;

const STATEMENT: &str =
    "application/scitt-statement+cose, application/json, application/problem+json";
const RECEIPT_TEXT: &str = "text/plain, application/problem+json";
const CHAIN: &str = "application/cbor, application/problem+json";

impl Client {
    /// The event with a quorum of COSE Receipts (RFC 9942), a Transparent Statement (RFC 9943),
    /// verified. With `wait`, the node holds its answer until there is one or its own bound is over.
    ///
    /// # Errors
    /// [`ClientError::NoCoseKeys`] if the client believes one policy only: make it with the policies
    /// that [`crate::walk_policies`] or [`Self::policies`] gives. [`ClientError::Pending`] and
    /// [`ClientError::Problem`] as of [`Self::receipt`].
    pub fn statement(&self, event: &Event, wait: bool) -> Result<Transparent, ClientError> {
        let policies = self
            .judge
            .trust()
            .policies()
            .ok_or(ClientError::NoCoseKeys)?;
        let (query, patience) = match wait {
            true => ("?wait=receipt", self.config.wait_timeout),
            false => ("", self.config.request_timeout),
        };
        let path = format!("/v1/events/{}/receipt{query}", event.id());
        let request = Request {
            path: &path,
            body: None,
            accept: STATEMENT,
            limit: u64::try_from(TransparentStatement::MAX_BYTES).unwrap_or(MAX_RECEIPT),
            patience,
        };
        self.believed(|| {
            let answer = self.ask(&request)?;
            refuse_pending(&answer)?;
            let statement = verify_statement(policies, &answer.body).map_err(false_proof)?;
            if statement.event() == event {
                Ok(statement)
            } else {
                let other = "it gives a statement of another event than was asked for";
                Err(ClientError::Nonsense(other))
            }
        })
    }

    /// The node's newest checkpoint, once it is proved that the log has only grown since `held`, a
    /// signed note that the application kept.
    ///
    /// # Errors
    /// [`ClientError::Held`] if `held` itself is not to be trusted; [`ClientError::Problem`] with code
    /// `not-found` if the node's log is shorter; [`ClientError::FalseProof`] if the log has not only
    /// grown: keep both checkpoints then.
    pub fn consistency(&self, held: &[u8]) -> Result<VerifiedCheckpoint, ClientError> {
        let size = held_size(&self.judge, held).map_err(|why| ClientError::Held(Box::new(why)))?;
        let path = format!("/v1/consistency?from={size}");
        self.believed(|| {
            let answer = self.get(&path, RECEIPT_TEXT, MAX_RECEIPT)?;
            consistency_by(&self.judge, held, &answer.body).map_err(false_proof)
        })
    }

    /// The policies of the network, walked from the genesis file along the chain that this node
    /// serves. A chain cannot show that nothing follows it: ask several nodes, and take the one with
    /// the most turns. [`Self::new`] takes what this gives.
    ///
    /// # Errors
    /// [`ClientError::Genesis`] if `genesis` is none, [`ClientError::FalseChain`] if the chain does
    /// not hold.
    pub fn policies(&self, genesis: &[u8]) -> Result<Policies, ClientError> {
        self.believed(|| {
            let limit = u64::try_from(PolicyChain::MAX_BYTES).unwrap_or(u64::MAX);
            let Answer { body, .. } = self.get("/policy-chain", CHAIN, limit)?;
            walk_policies(genesis, Some(&body)).map_err(|error| match error {
                PoliciesError::Genesis(error) => ClientError::Genesis(Arc::new(error)),
                PoliciesError::Chain(error) => ClientError::FalseChain(Box::new(error)),
            })
        })
    }
}

/// What the application holds is judged before a node is asked about it.
fn held_size(
    judge: &dyn CheckpointPolicy,
    held: &[u8],
) -> Result<medanchor_ledger::Size, Distrust> {
    let note = Note::parse(held)?;
    Ok(judge.verify_checkpoint(&note)?.checkpoint().size)
}

fn false_proof(error: CheckError) -> ClientError {
    ClientError::FalseProof(Box::new(error))
}
