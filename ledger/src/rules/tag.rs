//! The index of events under a subject's tag: how many there are, and a hash chain over them.
//!
//! What always holds: only events of the participant that sealed records under a tag, requests for
//! those records, reviews of such requests and the patient's ends of its consents move the tag. With the count and the chain's head proved from the state,
//! n events are exactly all there are (DESIGN.md section 7, Index).

use super::value::{kind, stored};
use super::{BreakGlass, Consent, Record, Request, StateValue, Turn};
use crate::cbor::{Reader, Writer};
use crate::event::{DecodeError, Event, EventBody, EventKind};
use crate::state::{StateKey, StateMap};
use crate::{
    ChainHead, ConsentHandle, Index, ParticipantName, ReadFailed, RecordHandle, Tag, Time, sha256,
};

use super::Anchored;

/// How many events bear a tag, and the head of their chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagIndex {
    /// Number of events.
    pub count: u64,
    /// The chain's head; 32 zero bytes before the first event.
    pub head: ChainHead,
}

/// What one event adds to a tag's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagLink {
    /// The event and its place in the log.
    pub anchored: Anchored,
    /// The time of its block.
    pub time: Time,
    /// Its type.
    pub kind: EventKind,
    /// What the rules made of it: 0, or the reason for which a request was denied; of a review, its
    /// verdict.
    pub outcome: u8,
}

impl TagIndex {
    /// The index of a tag that no event bears.
    pub const EMPTY: Self = Self {
        count: 0,
        head: ChainHead::new([0; 32]),
    };

    /// Where the state holds the index of `owner`'s tag.
    #[must_use]
    pub fn key(owner: &ParticipantName, tag: &Tag) -> StateKey {
        StateKey::owned(kind::TAG, owner, tag.as_bytes())
    }

    /// The index after one more event: SHA-256 over domain, head, event id, log index, block time,
    /// type and outcome, numbers big-endian.
    #[must_use]
    pub fn after(&self, link: &TagLink) -> Self {
        let head = sha256(&[
            b"medanchor/tag/v1",
            self.head.as_bytes(),
            link.anchored.event.as_bytes(),
            &link.anchored.index.0.to_be_bytes(),
            &link.time.0.to_be_bytes(),
            &link.kind.code().to_be_bytes(),
            &[link.outcome],
        ]);
        Self {
            count: self.count.saturating_add(1),
            head: ChainHead::new(head),
        }
    }
}

impl StateValue for TagIndex {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        writer.array(2).uint(self.count).bytes(self.head.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2..=2)?;
        Ok(Self {
            count: reader.uint()?,
            head: ChainHead::new(reader.fixed()?),
        })
    }
}

/// Adds the event to the index of one of `owner`'s tags.
pub(super) fn index(
    turn: &mut Turn<'_, '_>,
    owner: &ParticipantName,
    tag: &Tag,
    outcome: u8,
) -> Result<(), ReadFailed> {
    let key = TagIndex::key(owner, tag);
    let before = turn.read(&key)?.unwrap_or(TagIndex::EMPTY);
    let link = TagLink {
        anchored: turn.anchored(),
        time: turn.time(),
        kind: turn.event().kind(),
        outcome,
    };
    turn.write(key, &before.after(&link));
    Ok(())
}

/// The tags that an anchored event moved: where the state holds their indexes, and the outcome that
/// their links carry. `map` is the state after the event's block or after any later one: what it is
/// asked for does not change any more.
///
/// # Errors
/// When the map cannot be read.
pub fn moved(
    event: &Event,
    index: Index,
    map: &StateMap,
) -> Result<Vec<(StateKey, u8)>, ReadFailed> {
    let issuer = event.issuer();
    let listed = |owner: &ParticipantName, tags: &crate::event::consent::Tags| {
        let key = |tag| (TagIndex::key(owner, tag), 0);
        tags.into_iter().map(key).collect()
    };
    let of_consent = |owner: &ParticipantName, consent: &ConsentHandle| {
        let consent = read::<Consent>(map, &Consent::key(owner, consent))?;
        let keys = consent.map(|consent| listed(owner, &consent.tags));
        Ok::<Vec<_>, ReadFailed>(keys.unwrap_or_default())
    };
    Ok(match event.body() {
        EventBody::RecordSeal(body) => vec![(TagIndex::key(issuer, &body.tag), 0)],
        EventBody::RecordCustody(body) => vec![(TagIndex::key(issuer, &body.seal.tag), 0)],
        EventBody::RecordSupersede(body) => of_record(map, issuer, &body.record, index, Some(0))?,
        EventBody::RecordErase(body) => of_record(map, issuer, &body.record, index, Some(0))?,
        EventBody::RecordReshare(body) => of_record(map, issuer, &body.record, index, Some(0))?,
        EventBody::ConsentGrant(body) => listed(issuer, &body.tags),
        EventBody::ConsentRevoke(body) => of_consent(issuer, &body.consent)?,
        EventBody::ConsentEnd(body) => of_consent(&body.owner, &body.consent)?,
        EventBody::AccessRequest(body) => {
            let request = read::<Request>(map, &Request::key(issuer, &body.request))?;
            let outcome = request.map(|request| request.decision.code());
            of_record(map, &body.owner, &body.record, index, outcome)?
        }
        EventBody::AccessBreakGlass(body) => {
            let opened = read::<BreakGlass>(map, &BreakGlass::key(issuer, &body.request))?;
            let outcome = opened.map(|opened| opened.decision.code());
            of_record(map, &body.owner, &body.record, index, outcome)?
        }
        EventBody::AccessReview(body) => {
            let key = BreakGlass::key(&body.requester, &body.request);
            match read::<BreakGlass>(map, &key)? {
                Some(opened) => {
                    let outcome = Some(body.verdict.code());
                    of_record(map, &opened.owner, &opened.record, index, outcome)?
                }
                None => Vec::new(),
            }
        }
        EventBody::AccessEmergency(body) => of_record(map, issuer, &body.record, index, Some(0))?,
        _ => Vec::new(),
    })
}

/// The tag of a record that was sealed before `index`, with the outcome.
fn of_record(
    map: &StateMap,
    owner: &ParticipantName,
    record: &RecordHandle,
    index: Index,
    outcome: Option<u8>,
) -> Result<Vec<(StateKey, u8)>, ReadFailed> {
    let record = read::<Record>(map, &Record::key(owner, record))?;
    let record = record.filter(|record| record.sealed.index < index);
    let moved = record
        .zip(outcome)
        .map(|(record, outcome)| (TagIndex::key(owner, &record.tag), outcome));
    Ok(moved.into_iter().collect())
}

fn read<T: StateValue>(map: &StateMap, key: &StateKey) -> Result<Option<T>, ReadFailed> {
    let value = map.value(&key.path())?;
    value.map(|bytes| stored(key, &bytes)).transpose()
}
