//! What the facts of a file of evidence prove of the ledger.
//!
//! What always holds: an event counts only as the one whose id a proved state names.

use crate::custody::convict::Known;
use crate::custody::place::{Custodied, Place};
use crate::custody::points::Points;
use crate::custody::refusal::Decided;
use crate::custody::shown::SealedAs;
use medanchor_ledger::event::{Event, EventBody, ReaderKey, RecordCustody};
use medanchor_ledger::rules::{
    BreakGlass, Consent, CustodianSet, Participant, Record, Request, StateValue,
};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{ConsentHandle, EventId, Index, ParticipantName, Time, VaultPartHash};

/// What was proved: keys, their values, and events that may be the ones that these name.
pub(super) struct Proved {
    pub(super) facts: Vec<(StateKey, Time, Vec<u8>, Option<Event>)>,
    /// An event of the evidence, and where its receipt proves it to stand.
    pub(super) anchored: Option<(EventId, Index)>,
}

impl Proved {
    fn value<V: StateValue>(&self, key: &StateKey) -> Option<V> {
        self.dated(key).map(|(_, value)| value)
    }

    /// A value, and the time of the block after which it stood.
    fn dated<V: StateValue>(&self, key: &StateKey) -> Option<(Time, V)> {
        let (_, time, value, _) = self.facts.iter().find(|(known, ..)| known == key)?;
        Some((*time, V::decode(value).ok()?))
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.facts.iter().filter_map(|(.., event)| event.as_ref())
    }

    /// The event that made this version of a record, as the record's state names it.
    fn made(&self, record: &Custodied) -> Option<&Event> {
        let version = record.record;
        let known: Record = self.value(&Record::key(&record.owner, &version.record))?;
        let named = [known.sealed.event, known.newest().event];
        self.events()
            .filter(|event| named.contains(&event.id()))
            .find(|event| version_of(event) == Some(version.version))
    }
}

impl Known for Proved {
    fn signing_keys(&self, name: &ParticipantName) -> Vec<PublicKey> {
        let known = self.value::<Participant>(&Participant::key(name));
        known.iter().flat_map(Participant::keys).copied().collect()
    }

    fn share_key(&self, place: &Place) -> Option<ReaderKey> {
        let set: CustodianSet = self.value(&CustodianSet::key(place.epoch))?;
        let (index, member) = set.custodians.find(&place.custodian)?;
        (index == u16::from(place.index.get())).then_some(member.share_key)
    }

    fn reader_key(&self, request: &EventId) -> Option<ReaderKey> {
        self.decided(request).map(|decided| decided.reader)
    }

    fn place_of(&self, event: &EventId) -> Option<Index> {
        let (known, index) = self.anchored?;
        (known == *event).then_some(index)
    }

    fn decided(&self, request: &EventId) -> Option<Decided> {
        let event = self.events().find(|event| event.id() == *request)?;
        let by = event.issuer();
        let (named, decided) = match event.body() {
            EventBody::AccessRequest(body) => {
                let known: Request = self.value(&Request::key(by, &body.request))?;
                (known.requested.event, Decided::from(known))
            }
            EventBody::AccessBreakGlass(body) => {
                let known: BreakGlass = self.value(&BreakGlass::key(by, &body.request))?;
                (known.requested.event, Decided::from(known))
            }
            _ => return None,
        };
        (named == *request).then_some(decided)
    }

    fn record(&self, record: &Custodied) -> Option<(Time, Record)> {
        self.dated(&Record::key(&record.owner, &record.record.record))
    }

    fn consent(&self, owner: &ParticipantName, consent: &ConsentHandle) -> Option<(Time, Consent)> {
        self.dated(&Consent::key(owner, consent))
    }

    fn vault_part(&self, record: &Custodied) -> Option<VaultPartHash> {
        match self.made(record)?.body() {
            EventBody::RecordSeal(body) => Some(body.vault_part),
            EventBody::RecordCustody(body) => Some(body.seal.vault_part),
            EventBody::RecordSupersede(body) => Some(body.vault_part),
            _ => None,
        }
    }

    fn sealed_as(&self, record: &Custodied) -> Option<SealedAs> {
        match self.made(record)?.body() {
            EventBody::RecordCustody(RecordCustody { seal, custody }) => Some(SealedAs {
                points: Points::of_custody(custody).ok()?,
                vault_part: seal.vault_part,
                key_check: seal.key_check,
                ciphertext: seal.ciphertext,
                commitment: seal.commitment,
            }),
            EventBody::RecordSupersede(body) => Some(SealedAs {
                points: Points::of_custody(body.custody.as_ref()?).ok()?,
                vault_part: body.vault_part,
                key_check: body.key_check,
                ciphertext: body.ciphertext,
                commitment: body.commitment,
            }),
            _ => None,
        }
    }
}

fn version_of(event: &Event) -> Option<u32> {
    match event.body() {
        EventBody::RecordSeal(body) => Some(body.version),
        EventBody::RecordCustody(body) => Some(body.seal.version),
        EventBody::RecordSupersede(body) => Some(body.version),
        _ => None,
    }
}
