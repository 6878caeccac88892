//! The engine's vocabulary in our types: heights, values, votes, proposals and validators.
//!
//! What always holds: a value is its id (bodies travel beside consensus), every validator has the
//! power of one, votes carry no extensions (ENGINE rule 15), and the proposer of round `r` is
//! entry `r mod n` of the order that the application gave with the height.

use crate::application::{HeightPlan, Validator as PlannedValidator};
use crate::limits::MAX_VALIDATORS;
use arc_malachitebft_app_channel::app::types::ProposedValue;
use arc_malachitebft_app_channel::app::types::core::{
    self as core, LinearTimeouts, NilOrVal, Round, SignedMessage, VoteType,
};
use arc_malachitebft_signing_ed25519::{Ed25519, PublicKey};
use medanchor_ledger::{ParticipantName, ValueId};
use std::fmt;
use std::sync::Arc;

/// The engine's context: nothing but our choice of types.
#[derive(Clone, Debug)]
pub struct Medanchor;

/// A validator's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub ParticipantName);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Address for Address {}

/// A height; genesis is 0, the first decided one 1.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// What is decided. It is its own id: the block is a part stream of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Value(pub ValueId);

impl core::Value for Value {
    type Id = ValueId;

    fn id(&self) -> ValueId {
        self.0
    }
}

/// A vote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vote {
    /// Prevote or precommit.
    pub kind: VoteType,
    /// Its height.
    pub height: Height,
    /// Its round.
    pub round: Round,
    /// For what, or for nothing.
    pub value: NilOrVal<ValueId>,
    /// Whose.
    pub voter: Address,
}

impl core::Vote<Medanchor> for Vote {
    fn height(&self) -> Height {
        self.height
    }
    fn round(&self) -> Round {
        self.round
    }
    fn value(&self) -> &NilOrVal<ValueId> {
        &self.value
    }
    fn take_value(self) -> NilOrVal<ValueId> {
        self.value
    }
    fn vote_type(&self) -> VoteType {
        self.kind
    }
    fn validator_address(&self) -> &Address {
        &self.voter
    }
    fn extension(&self) -> Option<&SignedMessage<Medanchor, ()>> {
        None
    }
    fn take_extension(&mut self) -> Option<SignedMessage<Medanchor, ()>> {
        None
    }
    fn extend(self, _: SignedMessage<Medanchor, ()>) -> Self {
        self
    }
}

/// A proposal: which value the proposer of a round stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// Its height.
    pub height: Height,
    /// Its round.
    pub round: Round,
    /// The value.
    pub value: Value,
    /// The proof-of-lock round, or nil for a fresh value.
    pub pol_round: Round,
    /// Whose.
    pub proposer: Address,
}

impl core::Proposal<Medanchor> for Proposal {
    fn height(&self) -> Height {
        self.height
    }
    fn round(&self) -> Round {
        self.round
    }
    fn value(&self) -> &Value {
        &self.value
    }
    fn take_value(self) -> Value {
        self.value
    }
    fn pol_round(&self) -> Round {
        self.pol_round
    }
    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}

/// Carries a verdict through the engine's part channel. Parts on the wire are ours and never
/// reach the engine; this one never reaches the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part(pub ProposedValue<Medanchor>);

impl core::ProposalPart<Medanchor> for Part {
    fn is_first(&self) -> bool {
        true
    }
    fn is_last(&self) -> bool {
        true
    }
}

/// A validator of a height.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Validator {
    /// Its name.
    pub address: Address,
    /// Its consensus key.
    pub key: PublicKey,
}

impl core::Validator<Medanchor> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }
    fn public_key(&self) -> &PublicKey {
        &self.key
    }
    fn voting_power(&self) -> u64 {
        1
    }
}

/// The validators of a height: sorted by name, and in the order in which they propose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidatorSet(Arc<Sets>);

#[derive(PartialEq, Eq, Debug)]
struct Sets {
    by_name: Vec<Validator>,
    by_turn: Vec<Validator>,
}

/// A plan that cannot be followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan of height {height} cannot be followed: {fault}")]
pub struct BadPlan {
    height: u64,
    fault: &'static str,
}

impl ValidatorSet {
    /// Reads the validators from a plan.
    ///
    /// # Errors
    /// [`BadPlan`] if there are none or too many, names or keys repeat, or a key is no key.
    pub fn new(plan: &HeightPlan) -> Result<Self, BadPlan> {
        let bad = |fault| BadPlan {
            height: plan.height.0,
            fault,
        };
        if plan.proposers.is_empty() {
            return Err(bad("it names no validator"));
        }
        if plan.proposers.len() > MAX_VALIDATORS {
            return Err(bad("it names too many validators"));
        }
        let by_turn: Option<Vec<_>> = plan.proposers.iter().map(planned).collect();
        let by_turn = by_turn.ok_or(bad("a consensus key is not on the curve"))?;
        let mut by_name = by_turn.clone();
        by_name.sort_by(|a, b| a.address.cmp(&b.address));
        if by_name
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.address == b.address))
        {
            return Err(bad("a name stands in it twice"));
        }
        let mut keys: Vec<_> = by_name.iter().map(|validator| validator.key).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() != by_name.len() {
            return Err(bad("a key stands in it twice"));
        }
        Ok(Self(Arc::new(Sets { by_name, by_turn })))
    }

    /// Whose turn a round is.
    pub fn proposer(&self, round: u32) -> &Validator {
        let turns = &self.0.by_turn;
        // Never empty: `new` refuses that. A u32 fits a usize on every platform with an operating
        // system that this crate's sockets run on.
        &turns[round as usize % turns.len()]
    }

    /// The validator of that name.
    pub fn get(&self, address: &Address) -> Option<&Validator> {
        let sorted = &self.0.by_name;
        let place = sorted
            .binary_search_by(|validator| validator.address.cmp(address))
            .ok()?;
        sorted.get(place)
    }
}

fn planned(validator: &PlannedValidator) -> Option<Validator> {
    let key = PublicKey::from_bytes(validator.key).ok()?;
    Some(Validator {
        address: Address(validator.name.clone()),
        key,
    })
}

impl core::ValidatorSet<Medanchor> for ValidatorSet {
    fn count(&self) -> usize {
        self.0.by_name.len()
    }
    fn total_voting_power(&self) -> u64 {
        self.0
            .by_name
            .iter()
            .map(core::Validator::voting_power)
            .sum()
    }
    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.get(address)
    }
    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.by_name.get(index)
    }
}

impl core::Context for Medanchor {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(&self, set: &'a ValidatorSet, _: Height, round: Round) -> &'a Validator {
        set.proposer(round.as_u32().unwrap_or(0))
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: Value,
        pol_round: Round,
        proposer: Address,
    ) -> Proposal {
        Proposal {
            height,
            round,
            value,
            pol_round,
            proposer,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<ValueId>,
        voter: Address,
    ) -> Vote {
        Vote {
            kind: VoteType::Prevote,
            height,
            round,
            value,
            voter,
        }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<ValueId>,
        voter: Address,
    ) -> Vote {
        Vote {
            kind: VoteType::Precommit,
            height,
            round,
            value,
            voter,
        }
    }
}
