//! Signs and verifies votes and proposals, each bound to its kind and its network.
//!
//! What always holds: a signature holds by ZIP-215 (`medanchor_ledger::signature`), so every node
//! and every auditor agree on every certificate; vote extensions are neither signed nor accepted.

use super::context::{Height, Medanchor, Proposal, Vote};
use crate::SecretSeed;
use arc_malachitebft_app_channel::app::types::core::{
    NilOrVal, Round, SignedMessage, ValidatorProof, VoteExtensionScope, VoteType,
};
use arc_malachitebft_signing::{Error, Signer, VerificationResult, Verifier};
use arc_malachitebft_signing_ed25519::{PublicKey, Signature};
use async_trait::async_trait;
use medanchor_ledger::NetworkId;
use medanchor_ledger::certificate::{self, VoteKind};
use medanchor_ledger::signature::SigningKey;

/// Verifies what validators of one network signed.
#[derive(Clone)]
pub struct Judge {
    pub network: NetworkId,
}

impl Judge {
    /// The bytes that a vote's signature covers; none if the vote has no round.
    pub fn vote_bytes(&self, vote: &Vote) -> Option<Vec<u8>> {
        let kind = match vote.kind {
            VoteType::Prevote => VoteKind::Prevote,
            VoteType::Precommit => VoteKind::Precommit,
        };
        let vote = certificate::Vote {
            network: self.network,
            kind,
            height: ledger_height(vote.height),
            round: ledger_round(vote.round)?,
            value: match vote.value {
                NilOrVal::Nil => None,
                NilOrVal::Val(value) => Some(value),
            },
            validator: vote.voter.0.clone(),
        };
        Some(vote.signed_bytes())
    }

    /// The bytes that a proposal's signature covers; none if the proposal has no round.
    pub fn proposal_bytes(&self, proposal: &Proposal) -> Option<Vec<u8>> {
        let proposal = certificate::Proposal {
            network: self.network,
            height: ledger_height(proposal.height),
            round: ledger_round(proposal.round)?,
            pol_round: ledger_round(proposal.pol_round),
            value: proposal.value.0,
            proposer: proposal.proposer.0.clone(),
        };
        Some(proposal.signed_bytes())
    }

    /// Whether `signature` over `bytes` holds under `key`.
    pub fn holds(&self, key: &PublicKey, bytes: &[u8], signature: &Signature) -> bool {
        key.verify(bytes, signature).is_ok()
    }
}

/// Ours for the engine's.
pub fn ledger_height(height: Height) -> medanchor_ledger::Height {
    medanchor_ledger::Height(height.0)
}

/// Ours for the engine's; none for no round.
pub fn ledger_round(round: Round) -> Option<medanchor_ledger::Round> {
    round.as_u32().map(medanchor_ledger::Round)
}

/// Signs for one validator.
pub struct Pen {
    judge: Judge,
    /// Wiped from memory when dropped.
    key: SigningKey,
}

impl Pen {
    /// A pen for the key that grows from `seed`.
    pub fn new(judge: Judge, seed: &SecretSeed) -> Self {
        Self {
            judge,
            key: SigningKey::from_seed(seed.expose()),
        }
    }

    /// The public half of its key.
    pub fn public_key(&self) -> medanchor_ledger::signature::PublicKey {
        self.key.public_key()
    }

    /// What it verifies with.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Signs bytes that already say what they are for.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        Signature::from_bytes(*self.key.sign(bytes).as_bytes())
    }
}

#[async_trait]
impl Verifier<Medanchor> for Judge {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        let bytes = self.vote_bytes(vote);
        let holds = bytes.is_some_and(|bytes| self.holds(key, &bytes, signature));
        Ok(VerificationResult::from_bool(holds))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        let bytes = self.proposal_bytes(proposal);
        let holds = bytes.is_some_and(|bytes| self.holds(key, &bytes, signature));
        Ok(VerificationResult::from_bool(holds))
    }

    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<Medanchor>,
        (): &(),
        _: &Signature,
        _: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(
        &self,
        _: &ValidatorProof<Medanchor>,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }
}

#[async_trait]
impl Signer<Medanchor> for Pen {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Medanchor, Vote>, Error> {
        let bytes = self.judge.vote_bytes(&vote).ok_or_else(Error::new)?;
        Ok(SignedMessage::new(vote, self.sign(&bytes)))
    }

    async fn sign_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<SignedMessage<Medanchor, Proposal>, Error> {
        let bytes = self
            .judge
            .proposal_bytes(&proposal)
            .ok_or_else(Error::new)?;
        Ok(SignedMessage::new(proposal, self.sign(&bytes)))
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<Medanchor>,
        (): (),
    ) -> Result<SignedMessage<Medanchor, ()>, Error> {
        Err(Error::new())
    }

    async fn sign_validator_proof(
        &self,
        _: Vec<u8>,
        _: Vec<u8>,
    ) -> Result<ValidatorProof<Medanchor>, Error> {
        Err(Error::new())
    }
}
