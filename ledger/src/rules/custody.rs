//! Custody: which custodians hold shares in which epoch, and how far their logs of releases have come.
//!
//! What always holds: epochs follow one another without a gap, and a set never changes once it is
//! adopted; its custodians are participants in that role and no validators, and it takes two of them
//! or more. A record is dealt to the custodians of the epoch that is current at that moment, of whom its
//! owner is none. A log of releases only grows, and has one root for a size.

use super::governance::{Role, require_role};
use super::value::{StateValue, kind};
use super::{Anchored, Refusal, Rejection, Rule, Turn};
use crate::cbor::{Reader, Writer};
use crate::event::{Custodians, Custody, CustodyLog, DecodeError};
use crate::state::StateKey;
use crate::{ParticipantName, Size, TreeHash};
use std::collections::BTreeSet;

/// The custodians of one epoch, as the state holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodianSet {
    /// The `governance.approve` by which they took over.
    pub adopted: Anchored,
    /// Who they are, and how many of them it takes.
    pub custodians: Custodians,
}

impl CustodianSet {
    /// Where the state holds the custodians of `epoch`.
    #[must_use]
    pub fn key(epoch: u32) -> StateKey {
        StateKey::numbered(kind::CUSTODIAN_SET, epoch)
    }
}

impl StateValue for CustodianSet {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.adopted.write(writer.array(3));
        self.custodians.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(3..=3)?;
        Ok(Self {
            adopted: Anchored::read(reader)?,
            custodians: Custodians::read(reader)?,
        })
    }
}

/// The epoch whose custodians records are dealt to now, as the state holds it; none is held before the
/// first set is adopted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CustodianEpoch(pub u32);

impl CustodianEpoch {
    /// Where the state holds it.
    #[must_use]
    pub fn key() -> StateKey {
        StateKey::single(kind::CUSTODIAN_EPOCH)
    }
}

impl StateValue for CustodianEpoch {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        writer.array(1).uint(u64::from(self.0));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(1..=1)?;
        Ok(Self(reader.narrow()?))
    }
}

/// How far a custodian's log of releases has come, as the state holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseLog {
    /// The newest `custody.log`.
    pub anchored: Anchored,
    /// How many releases it logged.
    pub size: Size,
    /// RFC 9162 root over them.
    pub root: TreeHash,
}

impl ReleaseLog {
    /// Where the state holds that of `custodian`.
    #[must_use]
    pub fn key(custodian: &ParticipantName) -> StateKey {
        StateKey::named(kind::RELEASE_LOG, custodian)
    }
}

impl StateValue for ReleaseLog {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.anchored.write(writer.array(4));
        writer.uint(self.size.0).bytes(self.root.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(4..=4)?;
        Ok(Self {
            anchored: Anchored::read(reader)?,
            size: Size(reader.uint()?),
            root: TreeHash::new(reader.fixed()?),
        })
    }
}

/// The current epoch, 0 before the first.
fn current_epoch(turn: &Turn<'_, '_>) -> Result<u32, Refusal> {
    let epoch: Option<CustodianEpoch> = turn.read(&CustodianEpoch::key())?;
    Ok(epoch.unwrap_or_default().0)
}

/// Why `epoch`, which is not above the current one, is past: another set has taken over.
fn past(turn: &Turn<'_, '_>, epoch: u32) -> Result<Refusal, Refusal> {
    let set: Option<CustodianSet> = turn.read(&CustodianSet::key(epoch))?;
    let rule = Rule::CustodyEpochPast;
    Ok(set.map_or_else(
        || rule.into(),
        |set| Rejection::lost_to(rule, set.adopted).into(),
    ))
}

/// A new set: two or more of the custodians do, all of them are such and different, none is a validator,
/// and it follows the current one.
pub(super) fn require_fit(turn: &mut Turn<'_, '_>, set: &Custodians) -> Result<(), Refusal> {
    let members = set.members();
    if !(2..=members.len()).contains(&usize::from(set.threshold())) {
        return Err(Rule::CustodyThreshold.into());
    }
    for member in members {
        if !turn.has_role(&member.name, Role::Custodian)? {
            return Err(Rule::CustodyRole.into());
        }
        // In the order of their names.
        if turn.validators().binary_search(&member.name).is_ok() {
            return Err(Rule::CustodyValidator.into());
        }
    }
    let share_keys: BTreeSet<_> = members.iter().map(|member| member.share_key).collect();
    let tls_keys: BTreeSet<_> = members.iter().map(|member| member.tls).collect();
    if share_keys.len().min(tls_keys.len()) < members.len() {
        return Err(Rule::CustodySharedKey.into());
    }
    let current = current_epoch(turn)?;
    if set.epoch() <= current {
        return Err(past(turn, set.epoch())?);
    }
    if set.epoch() - 1 > current {
        return Err(Rule::CustodyEpochAhead.into());
    }
    Ok(())
}

/// The set takes over.
pub(super) fn adopt(turn: &mut Turn<'_, '_>, custodians: &Custodians) {
    let epoch = custodians.epoch();
    let set = CustodianSet {
        adopted: turn.anchored(),
        custodians: custodians.clone(),
    };
    turn.write(CustodianSet::key(epoch), &set);
    turn.write(CustodianEpoch::key(), &CustodianEpoch(epoch));
}

/// A record of the signer's is dealt to the custodians of the current epoch: one point for each that it
/// takes, and the signer is none of them. What may pass comes last.
pub(super) fn require_dealt(turn: &Turn<'_, '_>, custody: &Custody) -> Result<(), Refusal> {
    let (epoch, current) = (custody.epoch(), current_epoch(turn)?);
    if epoch < current {
        return Err(past(turn, epoch.saturating_add(1))?);
    }
    let set: Option<CustodianSet> = turn.read(&CustodianSet::key(epoch))?;
    let set = set.ok_or(Rule::CustodyEpochAhead)?.custodians;
    if custody.points().len() != usize::from(set.threshold()) {
        return Err(Rule::CustodyPoints.into());
    }
    if set.find(turn.signer_name()).is_some() {
        return Err(Rule::CustodyOwn.into());
    }
    Ok(())
}

/// `custody.log`: by a custodian; the log has grown, or has the root that it had.
pub(super) fn log(turn: &mut Turn<'_, '_>, body: &CustodyLog) -> Result<(), Refusal> {
    require_role(turn, &[Role::Custodian])?;
    let key = ReleaseLog::key(turn.signer_name());
    if let Some(known) = turn.read::<ReleaseLog>(&key)? {
        if body.size < known.size {
            return Err(Rejection::lost_to(Rule::CustodyLogShorter, known.anchored).into());
        }
        if body.size == known.size && body.root != known.root {
            return Err(Rejection::lost_to(Rule::CustodyLogTwoRoots, known.anchored).into());
        }
    }
    let log = ReleaseLog {
        anchored: turn.anchored(),
        size: body.size,
        root: body.root,
    };
    turn.write(key, &log);
    Ok(())
}
