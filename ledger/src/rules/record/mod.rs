//! Records: sealed once under a handle, superseded version by version, erased for good; every event about
//! them is indexed under their tag.
//!
//! What always holds: versions follow one another without a gap, one a block; a record whose key was
//! shared over custodians stays so; sharing it anew leaves the point of what is shared as it was; of an
//! erased record nothing is said any more but that more of it was destroyed.

mod value;

pub use value::{Erased, Record, Superseded};

use super::{Refusal, Rejection, Rule, Turn, custody, tag};
use crate::event::{
    Custody, Destroyed, RecordCustody, RecordErase, RecordReshare, RecordSeal, RecordSupersede,
};
use crate::{ReadFailed, RecordHandle};

/// `record.seal`: the handle is new and the version is the first.
pub(super) fn seal(turn: &mut Turn<'_, '_>, body: &RecordSeal) -> Result<(), Refusal> {
    require_new(turn, body)?;
    Ok(add(turn, body, None)?)
}

/// `record.custody`: as `record.seal`, and the key is dealt to the current custodians.
pub(super) fn seal_in_custody(
    turn: &mut Turn<'_, '_>,
    body: &RecordCustody,
) -> Result<(), Refusal> {
    require_new(turn, &body.seal)?;
    custody::require_dealt(turn, &body.custody)?;
    Ok(add(turn, &body.seal, Some(body.custody.clone()))?)
}

fn require_new(turn: &Turn<'_, '_>, body: &RecordSeal) -> Result<(), Refusal> {
    let key = Record::key(turn.signer_name(), &body.record);
    if let Some(record) = turn.read::<Record>(&key)? {
        return Err(Rejection::lost_to(Rule::RecordExists, record.sealed).into());
    }
    if body.version != 1 {
        return Err(Rule::RecordVersion.into());
    }
    Ok(())
}

fn add(
    turn: &mut Turn<'_, '_>,
    body: &RecordSeal,
    custody: Option<Custody>,
) -> Result<(), ReadFailed> {
    let record = Record {
        sealed: turn.anchored(),
        superseded: None,
        version: body.version,
        tag: body.tag,
        class: body.class,
        custody,
        erased: None,
    };
    keep(turn, &body.record, &record)
}

/// Writes a record of the signer's and moves its tag.
fn keep(turn: &mut Turn<'_, '_>, handle: &RecordHandle, record: &Record) -> Result<(), ReadFailed> {
    let owner = turn.signer_name();
    turn.write(Record::key(owner, handle), record);
    tag::index(turn, owner, &record.tag, 0)
}

/// A record of the signer's that is not erased.
fn find(turn: &Turn<'_, '_>, handle: &RecordHandle) -> Result<Record, Refusal> {
    let record: Option<Record> = turn.read(&Record::key(turn.signer_name(), handle))?;
    let record = record.ok_or(Rule::RecordUnknown)?;
    match record.erased {
        Some(erased) => Err(Rejection::lost_to(Rule::RecordErased, erased.by).into()),
        None => Ok(record),
    }
}

/// The event is about `version`, which is the record's newest.
fn require_newest(record: &Record, version: u32) -> Result<(), Refusal> {
    if version < record.version {
        return Err(Rejection::lost_to(Rule::RecordVersionPast, record.newest()).into());
    }
    if version > record.version {
        return Err(Rule::RecordVersionAhead.into());
    }
    Ok(())
}

/// `record.supersede`: the version is the next, and a record in custody stays in custody.
pub(super) fn supersede(turn: &mut Turn<'_, '_>, body: &RecordSupersede) -> Result<(), Refusal> {
    let mut record = find(turn, &body.record)?;
    // Versions count from 1.
    let before = body.version.saturating_sub(1);
    if before < record.version {
        require_newest(&record, before)?;
    }
    match &body.custody {
        Some(custody) => custody::require_dealt(turn, custody)?,
        None if record.custody.is_some() => return Err(Rule::RecordCustodyLost.into()),
        None => {}
    }
    require_newest(&record, before)?;
    if record.newest().index >= turn.block_start() {
        return Err(Rule::RecordVersionSoon.into());
    }
    record.superseded = Some(Superseded {
        by: turn.anchored(),
        class_before: record.class,
    });
    record.version = body.version;
    record.class = body.class;
    record.custody.clone_from(&body.custody);
    Ok(keep(turn, &body.record, &record)?)
}

/// `record.erase`: of the newest version; shares are destroyed only of a record that has some. Said
/// again, it adds to what was destroyed: custodians destroy their shares once the record is erased.
pub(super) fn erase(turn: &mut Turn<'_, '_>, body: &RecordErase) -> Result<(), Refusal> {
    let key = Record::key(turn.signer_name(), &body.record);
    let mut record: Record = turn.read(&key)?.ok_or(Rule::RecordUnknown)?;
    // No version will ever follow the one that was erased.
    let more = |erased: Erased| body.version == record.version && body.adds_to(erased.destroyed);
    if let Some(erased) = record.erased.filter(|erased| !more(*erased)) {
        return Err(Rejection::lost_to(Rule::RecordErased, erased.by).into());
    }
    require_newest(&record, body.version)?;
    if body.destroyed.contains(Destroyed::SHARES) && record.custody.is_none() {
        return Err(Rule::RecordNoCustody.into());
    }
    record.erased = Some(Erased {
        by: record.erased.map_or(turn.anchored(), |erased| erased.by),
        destroyed: body.destroyed,
    });
    Ok(keep(turn, &body.record, &record)?)
}

/// `record.reshare`: of the newest version, to the current custodians, of a later epoch than those who
/// hold it, under the same point of what is shared.
pub(super) fn reshare(turn: &mut Turn<'_, '_>, body: &RecordReshare) -> Result<(), Refusal> {
    let mut record = find(turn, &body.record)?;
    require_newest(&record, body.version)?;
    let held = record.custody.as_ref().ok_or(Rule::RecordNoCustody)?;
    if body.custody.epoch() <= held.epoch() {
        return Err(Rule::RecordReshared.into());
    }
    if body.custody.secret() != held.secret() {
        return Err(Rule::RecordOtherSecret.into());
    }
    custody::require_dealt(turn, &body.custody)?;
    record.custody = Some(body.custody.clone());
    Ok(keep(turn, &body.record, &record)?)
}
