//! The access receipt: a request for access, what was decided on it, and that this decision follows
//! by the rules from what the state held when it was decided.
//!
//! The state that a seal commits to is that after its block, and a consent may be granted or revoked
//! in the same block as the request. What stood at the request's own place in the log still follows
//! from it: record and consents hold the log index of the event that made them and of the one that
//! ended them, and nothing else of them that decides ever changes but a record's class, of which the one
//! before is kept, and which changes once a block (rules version 1). So one that was made at a later
//! index did not stand yet, one that was ended at a later index stood, and a record that was superseded
//! at a later index had the class before.

use super::{DocumentError, NotProved, Part, SealProof, StateClaim, VerifiedSeal};
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::{AccessRequest, Event, EventBody, MAX_EVENT_BYTES};
use crate::merkle::{leaf_hash, verify_inclusion};
use crate::policy::{CheckpointPolicy, VerifiedCheckpoint};
use crate::receipt::Receipt;
use crate::rules::access::Grounds;
use crate::rules::{Consent, Decision, RULES_VERSION, Record, Request};
use crate::state::{StateKey, StateMap};
use crate::{Height, Index, ParticipantName, ReadFailed, StateRoot, Time, TreeHash};

const FORMAT: &str = "medanchor/access-receipt/v1";

/// An access receipt, not yet judged.
///
/// CBOR: {0: "medanchor/access-receipt/v1", 1: the request's entry, 2: its inclusion hashes under the
/// checkpoint of the seal's receipt, the leaf's sibling first, in one byte string, 3: the decided
/// request, 4: the record, 5: the consent, 6: the first consent of its chain or null, 7: the seal's
/// entry, 8: the seal's receipt}. 3 to 6 are [value or null, proof of the map].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessReceipt {
    /// The `access.request`.
    pub event: Event,
    /// Siblings from its leaf upwards, at the size of the checkpoint of the seal's receipt.
    pub inclusion: Vec<TreeHash>,
    /// The decided request, as the state holds it.
    pub request: StateClaim,
    /// The record that was asked for.
    pub record: StateClaim,
    /// The consent that it was asked under.
    pub consent: StateClaim,
    /// The first consent of that consent's chain, where the consent names one.
    pub first_consent: Option<StateClaim>,
    /// The seal of the height at which the request was decided.
    pub seal: SealProof,
}

/// What an access receipt proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAccess {
    /// Who asked.
    pub requester: ParticipantName,
    /// For what, under which consent.
    pub body: AccessRequest,
    /// What was decided, and where in the log.
    pub request: Request,
    /// The height at which it was decided.
    pub height: Height,
    /// The time of that height's block.
    pub time: Time,
    /// The consent as it stood when the request was decided: just before the request's own place in
    /// the log. None if it did not stand yet.
    pub consent: Option<Consent>,
    /// The checkpoint it rests on, and whose signatures were counted for it.
    pub checkpoint: VerifiedCheckpoint,
}

impl VerifiedAccess {
    /// What was decided.
    #[must_use]
    pub const fn decision(&self) -> Decision {
        self.request.decision
    }
}

/// Where the state holds what a request is about.
struct Keys {
    request: StateKey,
    record: StateKey,
    consent: StateKey,
}

impl Keys {
    fn of(requester: &ParticipantName, body: &AccessRequest) -> Self {
        Self {
            request: Request::key(requester, &body.request),
            record: Record::key(&body.owner, &body.record),
            consent: Consent::key(&body.owner, &body.consent),
        }
    }
}

impl AccessReceipt {
    /// The longest access receipt.
    pub const MAX_BYTES: usize = MAX_EVENT_BYTES
        + Receipt::MAX_HASHES * 32
        + 4 * StateClaim::MAX_BYTES
        + SealProof::MAX_BYTES
        + 128;

    /// The receipt of a request, from the state after its block. `inclusion` is for the size of the
    /// checkpoint in `seal`. None if the event is no request for access.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn new(
        event: Event,
        inclusion: Vec<TreeHash>,
        map: &StateMap,
        seal: SealProof,
    ) -> Result<Option<Self>, ReadFailed> {
        let EventBody::AccessRequest(body) = event.body() else {
            return Ok(None);
        };
        let keys = Keys::of(event.issuer(), body);
        let consent = StateClaim::of(map, &keys.consent)?;
        let stored = consent
            .value
            .as_deref()
            .map(crate::rules::StateValue::decode);
        let root = match stored {
            Some(Ok::<Consent, _>(consent)) => consent.root,
            Some(Err(error)) => return Err(ReadFailed(Box::new(error))),
            None => None,
        };
        let first = root.map(|root| StateClaim::of(map, &Consent::key(&body.owner, &root)));
        Ok(Some(Self {
            request: StateClaim::of(map, &keys.request)?,
            record: StateClaim::of(map, &keys.record)?,
            consent,
            first_consent: first.transpose()?,
            event,
            inclusion,
            seal,
        }))
    }

    /// Checks it by a policy, without any network: that the request is in the log, that this is what
    /// was decided on it, and that the decision follows by the rules.
    ///
    /// # Errors
    /// [`NotProved`] says what does not hold.
    pub fn verify(&self, policy: &dyn CheckpointPolicy) -> Result<VerifiedAccess, NotProved> {
        let seal = self.seal.verify(policy)?;
        let EventBody::AccessRequest(body) = self.event.body() else {
            return Err(NotProved::NotARequest);
        };
        let requester = self.event.issuer();
        let (root, keys) = (&seal.seal.state_root, Keys::of(requester, body));
        let (claim, part) = (&self.request, Part::Request);
        let request: Option<Request> = claim.read_verified(root, &keys.request, part)?;
        let request = request.filter(|request| request.requested.event == self.event.id());
        let request = request.ok_or(NotProved::NoDecision)?;
        self.verify_place(&request, &seal)?;
        let at = request.requested.index;
        let record: Option<Record> = self
            .record
            .read_verified(root, &keys.record, Part::Record)?;
        let consent: Option<Consent> =
            self.consent
                .read_verified(root, &keys.consent, Part::Consent)?;
        let first = self.verified_first(root, body, consent.as_ref())?;
        let record = record.and_then(|record| record.before(at));
        let consent = consent.and_then(|consent| consent.before(at));
        let grounds = Grounds {
            record: record.as_ref(),
            consent: consent.as_ref(),
            first: first.and_then(|first| first.before(at)),
        };
        require_known_rules(&seal)?;
        if grounds.decide(body, requester, seal.seal.time) != request.decision {
            return Err(NotProved::Decision);
        }
        Ok(VerifiedAccess {
            requester: requester.clone(),
            body: body.clone(),
            request,
            height: seal.seal.height,
            time: seal.seal.time,
            consent,
            checkpoint: seal.receipt.checkpoint().clone(),
        })
    }

    /// The event is in the log where the decision says, and in the seal's block.
    fn verify_place(&self, request: &Request, seal: &VerifiedSeal) -> Result<(), NotProved> {
        let (at, block) = (request.requested.index, &seal.seal);
        let end = block.first.0.saturating_add(block.count);
        let inside = (block.first..Index(end)).contains(&at);
        if !inside || request.time != block.time {
            return Err(NotProved::OtherHeight);
        }
        let leaf = leaf_hash(self.event.encoded());
        let head = seal.receipt.checkpoint().checkpoint();
        verify_inclusion(at, head.size, &leaf, &self.inclusion, &head.root)
            .map_err(NotProved::Event)
    }

    fn verified_first(
        &self,
        root: &StateRoot,
        body: &AccessRequest,
        consent: Option<&Consent>,
    ) -> Result<Option<Consent>, NotProved> {
        let named = consent.and_then(|consent| consent.root);
        match (named, &self.first_consent) {
            (Some(named), Some(claim)) => {
                let key = Consent::key(&body.owner, &named);
                claim.read_verified(root, &key, Part::FirstConsent)
            }
            (None, None) => Ok(None),
            _ => Err(NotProved::Chained),
        }
    }

    /// The one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let hashes = self.inclusion.iter();
        let inclusion: Vec<u8> = hashes.flat_map(|hash| *hash.as_bytes()).collect();
        let mut writer = Writer::with_capacity(8192);
        writer.map(9);
        writer.key(0).text(FORMAT);
        writer.key(1).bytes(self.event.encoded());
        writer.key(2).bytes(&inclusion);
        self.request.write(writer.key(3));
        self.record.write(writer.key(4));
        self.consent.write(writer.key(5));
        match &self.first_consent {
            Some(first) => first.write(writer.key(6)),
            None => drop(writer.key(6).null()),
        }
        self.seal.write(&mut writer, 7);
        writer.into_bytes()
    }

    /// Reads what [`Self::encode`] gives.
    ///
    /// # Errors
    /// [`DocumentError`] for other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DocumentError> {
        super::check_size("an access receipt", bytes, Self::MAX_BYTES)?;
        let mut reader = Reader::new(bytes);
        reader.map(9)?;
        reader.key(0)?.constant(FORMAT)?;
        let receipt = Self {
            event: Event::decode(reader.key(1)?.bytes(MAX_EVENT_BYTES)?)?,
            inclusion: read_hashes(reader.key(2)?)?,
            request: StateClaim::read(reader.key(3)?)?,
            record: StateClaim::read(reader.key(4)?)?,
            consent: StateClaim::read(reader.key(5)?)?,
            first_consent: read_first(reader.key(6)?)?,
            seal: SealProof::read(&mut reader, 7)?,
        };
        reader.finish()?;
        Ok(receipt)
    }
}

fn read_hashes(reader: &mut Reader<'_>) -> Result<Vec<TreeHash>, DocumentError> {
    let size = reader.fault(CborFault::Size);
    let (hashes, rest) = reader.bytes(Receipt::MAX_HASHES * 32)?.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(size.into());
    }
    Ok(hashes.iter().map(|hash| TreeHash::new(*hash)).collect())
}

fn read_first(reader: &mut Reader<'_>) -> Result<Option<StateClaim>, DocumentError> {
    if reader.null() {
        return Ok(None);
    }
    StateClaim::read(reader).map(Some)
}

fn require_known_rules(seal: &VerifiedSeal) -> Result<(), NotProved> {
    let (found, known) = (seal.seal.rules_version, RULES_VERSION);
    if found == known {
        Ok(())
    } else {
        Err(NotProved::Rules { found, known })
    }
}
