//! The emergency journal: each owner has one, whose entries are anchored in their order.
//!
//! What always holds: the state knows the number and the head of an owner's newest entry, and the next
//! entry must build on both. So no entry can be left out, repeated or replaced: of two journals that
//! part, the one whose entry is anchored first stands, and the other never can. Entries that were counted
//! and lost are passed over by a statement that says how many, which the state never forgets. An opening is history
//! when it is anchored: that the record has a newer version by then, or is erased, does not stop the
//! journal.

use super::value::{StateValue, kind};
use super::{Anchored, Record, Refusal, Rejection, Rule, Turn, tag};
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::{AccessEmergency, DecodeError, EmergencyJournal, JournalKeyKind};
use crate::state::StateKey;
use crate::{JournalHead, ParticipantName, Time};

/// Where an owner's emergency journal stands, as the state holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmergencyHead {
    /// The `access.emergency` of its newest entry; before the first, the `emergency.journal` that
    /// registered it; where the newest is lost, the one that said so.
    pub newest: Anchored,
    /// The number of its newest entry; 0 when it has none.
    pub counter: u64,
    /// Its head.
    pub head: JournalHead,
    /// Where its key is kept, as the newest `emergency.journal` says.
    pub key_kind: JournalKeyKind,
    /// The time of the block since which every `emergency.journal` said so.
    pub since: Time,
    /// The time of the block of the newest `emergency.journal`: a day later the next one is due.
    pub stated: Time,
    /// The entries that were ever lost, if any were.
    pub lost: Option<LostEntries>,
    /// Where the key was kept before, if that was in other ways.
    pub earlier: EarlierKinds,
}

/// Since when a key was kept in a way that lets openings stay unseen, where it is kept in another way now. The
/// state never forgets it: copies of that key, and of what it unwraps, outlive the change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EarlierKinds {
    /// In a file, or in a token that did not count what it opened, since that time at first.
    pub file: Option<Time>,
    /// In a token, since that time at first.
    pub token: Option<Time>,
}

impl EarlierKinds {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, and a kind that ends now.
    fn and(self, kind: JournalKeyKind, since: Time) -> Self {
        match kind {
            JournalKeyKind::File => Self {
                file: self.file.or(Some(since)),
                ..self
            },
            JournalKeyKind::Token => Self {
                token: self.token.or(Some(since)),
                ..self
            },
            JournalKeyKind::Hardware => self,
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(2);
        for since in [self.file, self.token] {
            match since {
                Some(since) => writer.uint(since.0),
                None => writer.null(),
            };
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2..=2)?;
        let range = reader.fault(CborFault::Range);
        let mut since = || match reader.null() {
            true => Ok::<_, DecodeError>(None),
            false => Ok(Some(Time(reader.uint()?))),
        };
        let (file, token) = (since()?, since()?);
        let read = Self { file, token };
        match read.is_empty() {
            true => Err(range.into()),
            false => Ok(read),
        }
    }
}

/// Entries of an emergency journal that were counted and lost: of each, nobody can say what was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostEntries {
    /// How many, in all.
    pub count: u64,
    /// The time of the last statement before the first of them was said to be lost: it was made since.
    pub from: Time,
    /// The time of the block that said so of the last one: it was made before.
    pub until: Time,
}

impl LostEntries {
    fn write(&self, writer: &mut Writer) {
        writer.array(3).uint(self.count);
        writer.uint(self.from.0).uint(self.until.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(3..=3)?;
        let range = reader.fault(CborFault::Range);
        let count = reader.uint()?;
        if count == 0 {
            return Err(range.into());
        }
        Ok(Self {
            count,
            from: Time(reader.uint()?),
            until: Time(reader.uint()?),
        })
    }
}

impl EmergencyHead {
    /// Where the state holds that of `owner`.
    #[must_use]
    pub fn key(owner: &ParticipantName) -> StateKey {
        StateKey::named(kind::EMERGENCY, owner)
    }

    /// What stands against a statement that the journal has come to this counter and head.
    fn contradiction(&self, counter: u64, head: &JournalHead) -> Option<Rejection> {
        if counter < self.counter {
            Some(Rejection::lost_to(Rule::EmergencyCounterUsed, self.newest))
        } else if counter > self.counter {
            Some(Rule::EmergencyCounterAhead.into())
        } else {
            let other = Rejection::lost_to(Rule::EmergencyOtherHead, self.newest);
            (*head != self.head).then_some(other)
        }
    }
}

impl StateValue for EmergencyHead {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        let parts = match (self.lost.is_some(), self.earlier.is_empty()) {
            (_, false) => 9,
            (true, true) => 8,
            (false, true) => 7,
        };
        self.newest.write(writer.array(parts));
        writer.uint(self.counter).bytes(self.head.as_bytes());
        writer.uint(u64::from(self.key_kind.code()));
        writer.uint(self.since.0).uint(self.stated.0);
        match &self.lost {
            Some(lost) => lost.write(writer),
            None if parts == 9 => {
                writer.null();
            }
            None => {}
        }
        if parts == 9 {
            self.earlier.write(writer);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let parts = reader.array(7..=9)?;
        Ok(Self {
            newest: Anchored::read(reader)?,
            counter: reader.uint()?,
            head: JournalHead::new(reader.fixed()?),
            key_kind: JournalKeyKind::read(reader)?,
            since: Time(reader.uint()?),
            stated: Time(reader.uint()?),
            lost: match parts {
                7 => None,
                9 if reader.null() => None,
                _ => Some(LostEntries::read(reader)?),
            },
            earlier: match parts {
                9 => EarlierKinds::read(reader)?,
                _ => EarlierKinds::default(),
            },
        })
    }
}

/// `access.emergency`: the next entry of the signer's journal, about a version of one of its records.
pub(super) fn opened(turn: &mut Turn<'_, '_>, body: &AccessEmergency) -> Result<(), Refusal> {
    let owner = turn.signer_name();
    let key = EmergencyHead::key(owner);
    let mut journal: EmergencyHead = turn.read(&key)?.ok_or(Rule::EmergencyUnregistered)?;
    // A body's counter is at least 1, so the one before exists.
    let before = body.counter.saturating_sub(1);
    if let Some(rejection) = journal.contradiction(before, &body.previous) {
        return Err(rejection.into());
    }
    let record: Option<Record> = turn.read(&Record::key(owner, &body.record))?;
    let record = record.ok_or(Rule::EmergencyRecordUnknown)?;
    if body.version > record.version {
        return Err(Rule::EmergencyVersionUnknown.into());
    }
    journal.newest = turn.anchored();
    journal.counter = body.counter;
    journal.head = body.head();
    turn.write(key, &journal);
    Ok(tag::index(turn, owner, &record.tag, 0)?)
}

/// `emergency.journal`: the signer's journal stands where the state has it; the first one says that it
/// is empty. One that says that entries are lost takes the journal to where it says that it goes on.
pub(super) fn state(turn: &mut Turn<'_, '_>, body: &EmergencyJournal) -> Result<(), Refusal> {
    let key = EmergencyHead::key(turn.signer_name());
    let known: Option<EmergencyHead> = turn.read(&key)?;
    let journal = match known {
        Some(known) => restated(turn, known, body)?,
        None if body.is_empty() => registered(turn, body),
        None => return Err(Rule::EmergencyUnregistered.into()),
    };
    turn.write(key, &journal);
    Ok(())
}

fn registered(turn: &Turn<'_, '_>, body: &EmergencyJournal) -> EmergencyHead {
    EmergencyHead {
        newest: turn.anchored(),
        counter: body.counter,
        head: body.head,
        key_kind: body.key_kind,
        since: turn.time(),
        stated: turn.time(),
        lost: None,
        earlier: EarlierKinds::default(),
    }
}

fn restated(
    turn: &Turn<'_, '_>,
    known: EmergencyHead,
    body: &EmergencyJournal,
) -> Result<EmergencyHead, Rejection> {
    let moved = match body.lost {
        0 => match known.contradiction(body.counter, &body.head) {
            Some(rejection) => return Err(rejection),
            None => known,
        },
        lost => passed_over(turn, known, body, lost)?,
    };
    let (since, earlier) = match known.key_kind == body.key_kind {
        true => (known.since, known.earlier),
        false => {
            let ended = known.earlier.and(known.key_kind, known.since);
            (turn.time(), ended)
        }
    };
    Ok(EmergencyHead {
        key_kind: body.key_kind,
        since,
        stated: turn.time(),
        earlier,
        ..moved
    })
}

/// The journal behind entries that are lost, which are the next ones.
fn passed_over(
    turn: &Turn<'_, '_>,
    known: EmergencyHead,
    body: &EmergencyJournal,
    lost: u64,
) -> Result<EmergencyHead, Rejection> {
    let before = body.counter.saturating_sub(lost);
    // Which head they were on is lost with them.
    if let Some(rejection) = known.contradiction(before, &known.head) {
        return Err(rejection);
    }
    let earlier = known.lost.map_or(0, |earlier| earlier.count);
    Ok(EmergencyHead {
        newest: turn.anchored(),
        counter: body.counter,
        head: body.head,
        lost: Some(LostEntries {
            count: earlier.saturating_add(lost),
            from: known.lost.map_or(known.stated, |earlier| earlier.from),
            until: turn.time(),
        }),
        ..known
    })
}
