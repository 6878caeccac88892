//! Records: sealed once under a handle; every event about them is indexed under their tag.

use super::value::{StateValue, kind};
use super::{Anchored, Refusal, Rejection, Rule, Turn, tag};
use crate::cbor::{Reader, Writer};
use crate::event::{DecodeError, RecordSeal};
use crate::state::StateKey;
use crate::{ClassHandle, ParticipantName, RecordHandle, Tag};

/// A sealed record, as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The `record.seal`.
    pub sealed: Anchored,
    /// The version of the document.
    pub version: u32,
    /// The tag that every access is indexed under.
    pub tag: Tag,
    /// What kind of data it is.
    pub class: ClassHandle,
}

impl Record {
    /// Where the state holds `owner`'s record.
    #[must_use]
    pub fn key(owner: &ParticipantName, record: &RecordHandle) -> StateKey {
        StateKey::owned(kind::RECORD, owner, record.as_bytes())
    }
}

impl StateValue for Record {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.sealed.write(writer.array(5));
        writer.uint(u64::from(self.version));
        writer.bytes(self.tag.as_bytes());
        writer.bytes(self.class.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(5..=5)?;
        Ok(Self {
            sealed: Anchored::read(reader)?,
            version: reader.narrow()?,
            tag: Tag::new(reader.fixed()?),
            class: ClassHandle::new(reader.fixed()?),
        })
    }
}

/// `record.seal`: the handle is new and the version is the first.
pub(super) fn seal(turn: &mut Turn<'_, '_>, body: &RecordSeal) -> Result<(), Refusal> {
    let owner = turn.signer_name();
    let key = Record::key(owner, &body.record);
    if let Some(record) = turn.read::<Record>(&key)? {
        return Err(Rejection::lost_to(Rule::RecordExists, record.sealed).into());
    }
    if body.version != 1 {
        return Err(Rule::RecordVersion.into());
    }
    let record = Record {
        sealed: turn.anchored(),
        version: body.version,
        tag: body.tag,
        class: body.class,
    };
    turn.write(key, &record);
    Ok(tag::index(turn, owner, &body.tag, 0)?)
}
