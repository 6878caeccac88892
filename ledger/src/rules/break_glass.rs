//! Break-glass: a hospital opens a record without a consent; the record's owner or a regulator judges
//! it within three days.
//!
//! What always holds: every break-glass on a known record moves the record's tag, and so does its
//! review; nobody reviews itself; a review that came late stays late for all to see. A record that is
//! unknown or erased is not opened: that is recorded as a denial, as for `access.request`, and needs no
//! review. Who lets [`OpenReviews::MAX_OVERDUE`] reviews pass their time breaks no more glass until
//! they are made up for.

use super::access::{DenialReason, Request, keep_denials_few, read_decision};
use super::governance::{Role, require_role};
use super::value::{StateValue, kind, read_name};
use super::{Anchored, Decision, Record, Refusal, Rejection, Rule, Turn, tag};
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::{AccessBreakGlass, AccessReview, DecodeError, ReaderKey, Verdict};
use crate::state::StateKey;
use crate::{ParticipantName, ReadFailed, RecordHandle, RequestHandle, Time};
use std::collections::BTreeMap;

/// How long after its block a break-glass may wait for its review, in milliseconds: 72 hours.
pub const REVIEW_MILLIS: u64 = 72 * HOUR_MILLIS;

const HOUR_MILLIS: u64 = 60 * 60 * 1000;

/// A break-glass, as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlass {
    /// The `access.break-glass`.
    pub requested: Anchored,
    /// Permitted, unless there is no such record or it is erased.
    pub decision: Decision,
    /// The time of the block that decided.
    pub time: Time,
    /// Who sealed the record.
    pub owner: ParticipantName,
    /// The record.
    pub record: RecordHandle,
    /// The key that the record's key may be sealed to.
    pub reader_key: ReaderKey,
    /// The last block time at which a review is in time; none where nothing was opened.
    pub review_by: Option<Time>,
    /// The review, once there is one.
    pub review: Option<Review>,
}

/// The review of a break-glass, as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The `access.review`.
    pub reviewed: Anchored,
    /// Who reviewed.
    pub reviewer: ParticipantName,
    /// What it found.
    pub verdict: Verdict,
    /// The time of its block.
    pub time: Time,
}

impl BreakGlass {
    /// Where the state holds `requester`'s break-glass.
    #[must_use]
    pub fn key(requester: &ParticipantName, request: &RequestHandle) -> StateKey {
        StateKey::owned(kind::BREAK_GLASS, requester, request.as_bytes())
    }

    /// Whether at that time the review is due, not there, and late.
    #[must_use]
    pub fn is_overdue(&self, now: Time) -> bool {
        self.review.is_none() && self.review_by.is_some_and(|by| now > by)
    }

    /// Whether the review is there and came late.
    #[must_use]
    pub fn was_reviewed_late(&self) -> bool {
        let review = self.review.as_ref().zip(self.review_by);
        review.is_some_and(|(review, by)| review.time > by)
    }
}

impl StateValue for BreakGlass {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.requested.write(writer.array(9));
        writer
            .uint(u64::from(self.decision.code()))
            .uint(self.time.0);
        writer.text(self.owner.as_str());
        writer.bytes(self.record.as_bytes());
        writer.bytes(&self.reader_key.encode());
        match self.review_by {
            Some(by) => writer.uint(by.0),
            None => writer.null(),
        };
        match &self.review {
            Some(review) => review.write(writer),
            None => {
                writer.null();
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = reader.fault(CborFault::Value);
        reader.array(9..=9)?;
        let found = Self {
            requested: Anchored::read(reader)?,
            decision: read_decision(reader)?,
            time: Time(reader.uint()?),
            owner: read_name(reader)?,
            record: RecordHandle::new(reader.fixed()?),
            reader_key: ReaderKey::read(reader)?,
            review_by: (!reader.null())
                .then(|| reader.uint().map(Time))
                .transpose()?,
            review: (!reader.null()).then(|| Review::read(reader)).transpose()?,
        };
        let permitted = found.decision == Decision::Permitted;
        let sound = found.review_by.is_some() == permitted && (permitted || found.review.is_none());
        sound.then_some(found).ok_or(value.into())
    }
}

impl Review {
    fn write(&self, writer: &mut Writer) {
        self.reviewed.write(writer.array(5));
        writer.text(self.reviewer.as_str());
        writer.uint(u64::from(self.verdict.code()));
        writer.uint(self.time.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(5..=5)?;
        Ok(Self {
            reviewed: Anchored::read(reader)?,
            reviewer: read_name(reader)?,
            verdict: Verdict::read(reader)?,
            time: Time(reader.uint()?),
        })
    }
}

/// How many reviews of one participant's break-glass are open, by the hour in which they fall due.
///
/// Hours keep it small however many there are: at most 73 lie ahead, and all that have passed are one
/// number. So a review counts as overdue from the end of the hour in which it fell due; what is exact
/// stands in each [`BreakGlass`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReviews {
    /// Hours counted from 1970: all before this one are in `overdue`.
    pub hour: u64,
    /// Open reviews that fell due before `hour`.
    pub overdue: u64,
    /// Open reviews that fall due in `hour` or later, by the hour; none of them zero.
    pub ahead: BTreeMap<u64, u64>,
}

impl OpenReviews {
    /// With so many overdue, no more glass is broken.
    pub const MAX_OVERDUE: u64 = 64;

    /// The hours that can lie ahead: this one and the next 72.
    const MAX_AHEAD: usize = 73;

    /// Where the state holds those of `requester`.
    #[must_use]
    pub fn key(requester: &ParticipantName) -> StateKey {
        StateKey::named(kind::OPEN_REVIEWS, requester)
    }

    /// The same at a later time: hours that have passed are overdue.
    #[must_use]
    pub fn at(mut self, now: Time) -> Self {
        self.hour = self.hour.max(hour_of(now));
        let ahead = self.ahead.split_off(&self.hour);
        let passed = std::mem::replace(&mut self.ahead, ahead);
        self.overdue = passed.into_values().fold(self.overdue, u64::saturating_add);
        self
    }

    fn add(&mut self, due: Time) {
        let count = self.ahead.entry(hour_of(due)).or_default();
        *count = count.saturating_add(1);
    }

    fn remove(&mut self, due: Time) {
        let hour = hour_of(due);
        match self.ahead.get_mut(&hour) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => {
                self.ahead.remove(&hour);
            }
            None => self.overdue = self.overdue.saturating_sub(1),
        }
    }
}

const fn hour_of(time: Time) -> u64 {
    time.0 / HOUR_MILLIS
}

impl StateValue for OpenReviews {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        writer.array(3).uint(self.hour).uint(self.overdue);
        writer.array(self.ahead.len());
        for (hour, count) in &self.ahead {
            writer.array(2).uint(*hour).uint(*count);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(3..=3)?;
        let (hour, overdue) = (reader.uint()?, reader.uint()?);
        let length = reader.array(0..=Self::MAX_AHEAD)?;
        let mut ahead = BTreeMap::new();
        for _ in 0..length {
            let order = reader.fault(CborFault::Order);
            reader.array(2..=2)?;
            let (due, count) = (reader.uint()?, reader.uint()?);
            let after = ahead.last_key_value().is_none_or(|(last, _)| due > *last);
            if due < hour || !after || count == 0 {
                return Err(order.into());
            }
            ahead.insert(due, count);
        }
        Ok(Self {
            hour,
            overdue,
            ahead,
        })
    }
}

/// `access.break-glass`: by a hospital, under a new handle, while not too many of its reviews are
/// overdue. Then it is permitted if the record is known and not erased, and either is kept.
pub(super) fn break_glass(turn: &mut Turn<'_, '_>, body: &AccessBreakGlass) -> Result<(), Refusal> {
    require_role(turn, &[Role::Hospital])?;
    require_new(turn, &body.request)?;
    let record: Option<Record> = turn.read(&Record::key(&body.owner, &body.record))?;
    let decision = decide(record.as_ref());
    let review_by = match decision {
        Decision::Permitted => Some(open_review(turn)?),
        Decision::Denied(_) => {
            keep_denials_few(turn)?;
            None
        }
    };
    let opened = BreakGlass {
        requested: turn.anchored(),
        decision,
        time: turn.time(),
        owner: body.owner.clone(),
        record: body.record,
        reader_key: body.reader_key,
        review_by,
        review: None,
    };
    let key = BreakGlass::key(turn.signer_name(), &body.request);
    turn.write(key, &opened);
    if let Some(record) = record {
        tag::index(turn, &body.owner, &record.tag, decision.code())?;
    }
    Ok(())
}

fn decide(record: Option<&Record>) -> Decision {
    match record {
        None => Decision::Denied(DenialReason::UnknownRecord),
        Some(record) if record.erased.is_some() => Decision::Denied(DenialReason::Erased),
        Some(_) => Decision::Permitted,
    }
}

/// A request's handle is the signer's first use of it, under a consent or without.
pub(super) fn require_new(turn: &Turn<'_, '_>, request: &RequestHandle) -> Result<(), Refusal> {
    let signer = turn.signer_name();
    let asked: Option<Request> = turn.read(&Request::key(signer, request))?;
    let opened: Option<BreakGlass> = turn.read(&BreakGlass::key(signer, request))?;
    let asked = asked.map(|request| request.requested);
    match asked.or(opened.map(|opened| opened.requested)) {
        Some(first) => Err(Rejection::lost_to(Rule::AccessExists, first).into()),
        None => Ok(()),
    }
}

fn open_reviews(
    turn: &Turn<'_, '_>,
    requester: &ParticipantName,
) -> Result<OpenReviews, ReadFailed> {
    let open: Option<OpenReviews> = turn.read(&OpenReviews::key(requester))?;
    Ok(open.unwrap_or_default().at(turn.time()))
}

/// Notes that a review falls due, and gives the time by which.
fn open_review(turn: &mut Turn<'_, '_>) -> Result<Time, Refusal> {
    let requester = turn.signer_name();
    let mut open = open_reviews(turn, requester)?;
    if open.overdue >= OpenReviews::MAX_OVERDUE {
        return Err(Rule::AccessReviewsOverdue.into());
    }
    let by = turn.time().plus_millis(REVIEW_MILLIS);
    open.add(by);
    turn.write(OpenReviews::key(requester), &open);
    Ok(by)
}

/// `access.review`: by the record's owner or a regulator, neither of them the requester, once.
pub(super) fn review(turn: &mut Turn<'_, '_>, body: &AccessReview) -> Result<(), Refusal> {
    let reviewer = turn.signer_name();
    if *reviewer == body.requester {
        return Err(Rule::AccessOwnReview.into());
    }
    let mut opened = find(turn, body)?;
    if opened.owner != *reviewer && !turn.has_role(reviewer, Role::Regulator)? {
        return Err(Rule::AccessReviewer.into());
    }
    if let Some(review) = opened.review {
        return Err(Rejection::lost_to(Rule::AccessReviewed, review.reviewed).into());
    }
    // Only what was opened is reviewed.
    let due = opened.review_by.ok_or(Rule::AccessNothingToReview)?;
    let mut open = open_reviews(turn, &body.requester)?;
    open.remove(due);
    turn.write(OpenReviews::key(&body.requester), &open);
    opened.review = Some(Review {
        reviewed: turn.anchored(),
        reviewer: reviewer.clone(),
        verdict: body.verdict,
        time: turn.time(),
    });
    turn.write(BreakGlass::key(&body.requester, &body.request), &opened);
    let record: Option<Record> = turn.read(&Record::key(&opened.owner, &opened.record))?;
    // A record that was opened stays known, erased or not.
    if let Some(record) = record {
        tag::index(turn, &opened.owner, &record.tag, body.verdict.code())?;
    }
    Ok(())
}

fn find(turn: &mut Turn<'_, '_>, body: &AccessReview) -> Result<BreakGlass, Refusal> {
    let key = BreakGlass::key(&body.requester, &body.request);
    if let Some(found) = turn.read::<BreakGlass>(&key)? {
        return Ok(found);
    }
    let asked: Option<Request> = turn.read(&Request::key(&body.requester, &body.request))?;
    if asked.is_some() {
        return Err(Rule::AccessNothingToReview.into());
    }
    if turn.has_role(&body.requester, Role::Hospital)? {
        Err(Rule::AccessBreakGlassUnknown.into())
    } else {
        Err(Rule::AccessRequesterUnknown.into())
    }
}
