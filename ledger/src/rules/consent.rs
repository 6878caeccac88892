//! Consents: granted once under a handle, ended by their owner's revocation or the patient's end, by that
//! of the first consent of their chain, or by time.

use super::value::{StateValue, kind};
use super::{Anchored, Refusal, Rejection, Rule, Turn, tag};
use crate::cbor::{Reader, Writer};
use crate::event::consent::{Classes, Grantees, Purposes, Tags};
use crate::event::{ConsentEnd, ConsentGrant, ConsentRevoke, DecodeError};
use crate::state::StateKey;
use crate::{ConsentHandle, Ender, Index, ParticipantName, Time};

/// A consent, as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The `consent.grant`.
    pub granted: Anchored,
    /// The `consent.revoke` or `consent.end`, if there was one.
    pub revoked: Option<Anchored>,
    /// The first consent of the chain, where this one continues it.
    pub root: Option<ConsentHandle>,
    /// The tags whose records it covers.
    pub tags: Tags,
    /// Who may read.
    pub grantees: Grantees,
    /// For what.
    pub purposes: Purposes,
    /// Which kinds of data.
    pub classes: Classes,
    /// The first block time at which it holds.
    pub not_before: Time,
    /// The first block time at which it no longer holds.
    pub not_after: Time,
    /// By which key the patient can end it.
    pub ender: Option<Ender>,
}

impl Consent {
    /// Where the state holds `owner`'s consent.
    #[must_use]
    pub fn key(owner: &ParticipantName, consent: &ConsentHandle) -> StateKey {
        StateKey::owned(kind::CONSENT, owner, consent.as_bytes())
    }

    /// The consent as it stood just before the entry at `index` was applied: none if it was granted
    /// there or later, not revoked if it was revoked there or later.
    pub(crate) fn before(self, index: Index) -> Option<Self> {
        let revoked = self.revoked.filter(|revoked| revoked.index < index);
        (self.granted.index < index).then_some(Self { revoked, ..self })
    }
}

/// `[event, index, revoked or null, root or null, tags, grantees, purposes, classes, not-before, not-after]`,
/// and then the ender where there is one.
impl StateValue for Consent {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        let items = 10 + usize::from(self.ender.is_some());
        self.granted.write(writer.array(items));
        Anchored::write_optional(self.revoked.as_ref(), writer);
        writer.optional(self.root.as_ref().map(ConsentHandle::as_bytes));
        self.tags.write(writer);
        self.grantees.write(writer);
        self.purposes.write(writer);
        self.classes.write(writer);
        writer.uint(self.not_before.0).uint(self.not_after.0);
        if let Some(ender) = &self.ender {
            writer.bytes(ender.as_bytes());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let items = reader.array(10..=11)?;
        Ok(Self {
            granted: Anchored::read(reader)?,
            revoked: Anchored::read_optional(reader)?,
            root: reader.optional()?.map(ConsentHandle::new),
            tags: Tags::read(reader)?,
            grantees: Grantees::read(reader)?,
            purposes: Purposes::read(reader)?,
            classes: Classes::read(reader)?,
            not_before: Time(reader.uint()?),
            not_after: Time(reader.uint()?),
            ender: match items {
                11 => Some(Ender::new(reader.fixed()?)),
                _ => None,
            },
        })
    }
}

/// `consent.grant`: the handle is new, the time is to come, and a chain's first consent stands for all
/// of it.
pub(super) fn grant(turn: &mut Turn<'_, '_>, body: &ConsentGrant) -> Result<(), Refusal> {
    let owner = turn.signer_name();
    let key = Consent::key(owner, &body.consent);
    if let Some(consent) = turn.read::<Consent>(&key)? {
        return Err(Rejection::lost_to(Rule::ConsentExists, consent.granted).into());
    }
    if body.not_before >= body.not_after || body.not_after <= turn.time() {
        return Err(Rule::ConsentPeriod.into());
    }
    if let Some(root) = &body.root {
        require_root(turn, body, root)?;
    }
    let consent = Consent {
        granted: turn.anchored(),
        revoked: None,
        root: body.root,
        tags: body.tags.clone(),
        grantees: body.grantees.clone(),
        purposes: body.purposes.clone(),
        classes: body.classes.clone(),
        not_before: body.not_before,
        not_after: body.not_after,
        ender: body.ender,
    };
    turn.write(key, &consent);
    index_all(turn, owner, &body.tags)
}

/// What holds only while its first consent does must lie in the time of that one, so that whoever
/// decides on an access need not look at two periods.
fn require_root(
    turn: &Turn<'_, '_>,
    body: &ConsentGrant,
    root: &ConsentHandle,
) -> Result<(), Refusal> {
    let first: Consent = turn
        .read(&Consent::key(turn.signer_name(), root))?
        .ok_or(Rule::ConsentRootUnknown)?;
    if first.root.is_some() {
        return Err(Rule::ConsentRootNotFirst.into());
    }
    if body.not_before < first.not_before || body.not_after > first.not_after {
        return Err(Rule::ConsentRootPeriod.into());
    }
    match first.revoked {
        Some(revoked) => Err(Rejection::lost_to(Rule::ConsentRootRevoked, revoked).into()),
        None => Ok(()),
    }
}

/// `consent.revoke`: the consent is the signer's and stands.
pub(super) fn revoke(turn: &mut Turn<'_, '_>, body: &ConsentRevoke) -> Result<(), Refusal> {
    let owner = turn.signer_name();
    let key = Consent::key(owner, &body.consent);
    let consent: Consent = turn.read(&key)?.ok_or(Rule::ConsentUnknown)?;
    close(turn, owner, key, consent)
}

/// `consent.end`: the consent stands, and the key that signed the end is the one that it names. Who
/// anchors it does not matter: the signature was checked before.
pub(super) fn end(turn: &mut Turn<'_, '_>, body: &ConsentEnd) -> Result<(), Refusal> {
    let key = Consent::key(&body.owner, &body.consent);
    let Some(consent) = turn.read::<Consent>(&key)? else {
        return Err(match turn.is_participant(&body.owner)? {
            true => Rule::ConsentUnknown.into(),
            false => Rule::ConsentOwnerUnknown.into(),
        });
    };
    let ender = consent.ender.ok_or(Rule::ConsentNoEnder)?;
    if ender != body.ender(turn.network()) {
        return Err(Rule::ConsentOtherEnder.into());
    }
    close(turn, &body.owner, key, consent)
}

/// Ends a consent that stands, for good.
fn close(
    turn: &mut Turn<'_, '_>,
    owner: &ParticipantName,
    key: StateKey,
    mut consent: Consent,
) -> Result<(), Refusal> {
    if let Some(revoked) = consent.revoked {
        return Err(Rejection::lost_to(Rule::ConsentRevoked, revoked).into());
    }
    consent.revoked = Some(turn.anchored());
    turn.write(key, &consent);
    index_all(turn, owner, &consent.tags)
}

fn index_all(turn: &mut Turn<'_, '_>, owner: &ParticipantName, tags: &Tags) -> Result<(), Refusal> {
    for listed in tags {
        tag::index(turn, owner, listed, 0)?;
    }
    Ok(())
}
