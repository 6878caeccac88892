//! What the state holds of a record.

use crate::cbor::{Reader, Writer};
use crate::event::{Custody, DecodeError, Destroyed};
use crate::rules::Anchored;
use crate::rules::value::{StateValue, kind};
use crate::state::StateKey;
use crate::{ClassHandle, Index, ParticipantName, RecordHandle, Tag};

/// A sealed record, as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The `record.seal` or `record.custody`.
    pub sealed: Anchored,
    /// What made the newest version, if it is not the first.
    pub superseded: Option<Superseded>,
    /// The newest version of the document.
    pub version: u32,
    /// The tag that every access is indexed under.
    pub tag: Tag,
    /// What kind of data it is.
    pub class: ClassHandle,
    /// How the newest version's key is shared, if it is.
    pub custody: Option<Custody>,
    /// Its end, if it has come.
    pub erased: Option<Erased>,
}

/// A version that took the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// The `record.supersede`.
    pub by: Anchored,
    /// What kind of data it was before. One block makes one version, so that what stood at any place
    /// of the log follows from the state after that place's block.
    pub class_before: ClassHandle,
}

/// The end of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The first `record.erase`: from then on nobody is permitted to read it.
    pub by: Anchored,
    /// All that was destroyed, as the newest `record.erase` says.
    pub destroyed: Destroyed,
}

impl Record {
    /// Where the state holds `owner`'s record.
    #[must_use]
    pub fn key(owner: &ParticipantName, record: &RecordHandle) -> StateKey {
        StateKey::owned(kind::RECORD, owner, record.as_bytes())
    }

    /// The event that made the newest version.
    #[must_use]
    pub fn newest(&self) -> Anchored {
        self.superseded.map_or(self.sealed, |newest| newest.by)
    }

    /// What an access is decided on, as it stood just before the entry at `index` was applied: none if
    /// the record was sealed there or later, its former class if it was superseded there or later, not
    /// erased if it was erased there or later. `self` is from the state after the block of `index`.
    pub(crate) fn before(mut self, index: Index) -> Option<Self> {
        if let Some(later) = self.superseded.filter(|newest| newest.by.index >= index) {
            self.class = later.class_before;
        }
        self.erased = self.erased.filter(|erased| erased.by.index < index);
        (self.sealed.index < index).then_some(self)
    }
}

/// `[event, index, superseded or null, version, tag, class, custody or null, erased or null]`; superseded
/// is `[event, index, class before]`, erased `[event, index, what was destroyed]`. Shape 1, of releases
/// before the first, knew neither custody nor later versions.
impl StateValue for Record {
    const SHAPE: u8 = 2;

    fn write(&self, writer: &mut Writer) {
        self.sealed.write(writer.array(8));
        match &self.superseded {
            Some(newest) => {
                newest.by.write(writer.array(3));
                writer.bytes(newest.class_before.as_bytes());
            }
            None => drop(writer.null()),
        }
        writer.uint(u64::from(self.version));
        writer.bytes(self.tag.as_bytes());
        writer.bytes(self.class.as_bytes());
        Custody::write_optional(self.custody.as_ref(), writer);
        match &self.erased {
            Some(erased) => {
                erased.by.write(writer.array(3));
                writer.uint(u64::from(erased.destroyed.bits()));
            }
            None => drop(writer.null()),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(8..=8)?;
        Ok(Self {
            sealed: Anchored::read(reader)?,
            superseded: read_superseded(reader)?,
            version: reader.narrow()?,
            tag: Tag::new(reader.fixed()?),
            class: ClassHandle::new(reader.fixed()?),
            custody: Custody::read_optional(reader)?,
            erased: read_erased(reader)?,
        })
    }
}

fn read_superseded(reader: &mut Reader<'_>) -> Result<Option<Superseded>, DecodeError> {
    if reader.null() {
        return Ok(None);
    }
    reader.array(3..=3)?;
    Ok(Some(Superseded {
        by: Anchored::read(reader)?,
        class_before: ClassHandle::new(reader.fixed()?),
    }))
}

fn read_erased(reader: &mut Reader<'_>) -> Result<Option<Erased>, DecodeError> {
    if reader.null() {
        return Ok(None);
    }
    reader.array(3..=3)?;
    Ok(Some(Erased {
        by: Anchored::read(reader)?,
        destroyed: Destroyed::read(reader)?,
    }))
}
