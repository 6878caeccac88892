//! Inspections: the population is fixed, then a regulator opens an inspection of it, then the
//! validators' random outputs decide what is drawn, then the owner answers.
//!
//! What always holds: a population is in the log before an inspection of it, a validator's keys
//! before the inspection that they serve (`keys`), and the input of the outputs names the seal of the
//! block that opened the inspection, which nobody knew before. Outputs count if they are anchored by
//! `outputs_by` of block time, each validator's once; fewer than a quorum make the draw void, for
//! good and for all to see. What is drawn and not answered stays a zero bit in the state.
//!
//! An owner has an hour or more from the end of the window to answer, and one opener holds a quarter of
//! the draws that run at most, so that no regulator convicts an honest owner or keeps others from
//! theirs.
//!
//! Who sees the others' outputs first may still withhold its own: m validators that act together
//! choose among at most 2^m draws, so no outcome's probability grows by more than that factor.

mod keys;
mod value;

pub(super) use keys::register;
pub use keys::{DrawKey, OutputKeys, ReplacedKeys};
pub use value::{Answered, DrawState, Inspection, Population, RunningDraw, RunningDraws};

use super::governance::{Role, require_role};
use super::{Draft, Refusal, Rejection, Rule, Turn};
use crate::draw::{draw, item_leaf};
use crate::event::{
    EventBody, InspectionAnswer, InspectionOpen, InspectionOutput, InspectionPopulation,
};
use crate::merkle::verify_inclusion;
use crate::validator::quorum;
use crate::{Index, InspectionHandle, KeyId, ParticipantName, ReadFailed, Size, TreeHash};

/// The least time to answer, in milliseconds from the end of the outputs' window: an hour, so that no
/// opener can make an honest owner late.
pub const MIN_ANSWER_MILLIS: u64 = 3_600_000;

/// Whether the signer's key of that id may sign the event: an operational key signs
/// `inspection.output` and nothing else, and for the inspections that it serves.
pub(super) fn may_sign(turn: &Turn<'_, '_>, key: &KeyId) -> Result<bool, ReadFailed> {
    let EventBody::InspectionOutput(body) = turn.event().body() else {
        return Ok(false);
    };
    let Some(known) = turn.read::<DrawKey>(&DrawKey::key(turn.signer_name()))? else {
        return Ok(false);
    };
    let found: Option<Inspection> = turn.read(&Inspection::key(&body.opener, &body.inspection))?;
    // What is not opened yet is served by the newest keys; what has none is for the rule of outputs.
    let serving = found.and_then(|found| known.serving(found.opened.index).copied());
    Ok(serving.unwrap_or(known.keys).operational.id() == *key)
}

fn require_validator(turn: &Turn<'_, '_>) -> Result<(), Rule> {
    // In the order of their names.
    match turn.validators().binary_search(turn.signer_name()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Rule::InspectionValidator),
    }
}

/// `inspection.population`: under a new handle.
pub(super) fn fix(turn: &mut Turn<'_, '_>, body: &InspectionPopulation) -> Result<(), Refusal> {
    let key = Population::key(turn.signer_name(), &body.population);
    if let Some(population) = turn.read::<Population>(&key)? {
        return Err(Rejection::lost_to(Rule::InspectionPopulationExists, population.fixed).into());
    }
    let population = Population {
        fixed: turn.anchored(),
        root: body.root,
        count: body.count,
    };
    turn.write(key, &population);
    Ok(())
}

/// `inspection.open`: by a regulator, of a population that is fixed, while a quorum of validators can
/// give outputs.
pub(super) fn open(turn: &mut Turn<'_, '_>, body: &InspectionOpen) -> Result<(), Refusal> {
    require_role(turn, &[Role::Regulator])?;
    let key = Inspection::key(turn.signer_name(), &body.inspection);
    if let Some(inspection) = turn.read::<Inspection>(&key)? {
        return Err(Rejection::lost_to(Rule::InspectionExists, inspection.opened).into());
    }
    let outputs_by = turn.time().plus_millis(body.window.into());
    if body.answer_by < outputs_by.plus_millis(MIN_ANSWER_MILLIS) {
        return Err(Rule::InspectionPeriod.into());
    }
    let population = require_population(turn, body)?;
    require_draw_keys(turn)?;
    let validators = turn.validators().len();
    let inspection = Inspection {
        opened: turn.anchored(),
        height: turn.height(),
        seal: None,
        owner: body.owner.clone(),
        population: body.population,
        root: population.root,
        count: population.count,
        sample: body.sample,
        // At most ValidatorSet::MAX, which fits.
        validators: u16::try_from(validators).unwrap_or(u16::MAX),
        outputs_by,
        answer_by: body.answer_by,
        outputs: Default::default(),
        answered: Answered::none(body.sample),
    };
    add_running(turn, body.inspection, &inspection)?;
    turn.write(key, &inspection);
    Ok(())
}

fn require_population(
    turn: &mut Turn<'_, '_>,
    body: &InspectionOpen,
) -> Result<Population, Refusal> {
    if !turn.is_participant(&body.owner)? {
        return Err(Rule::InspectionOwnerUnknown.into());
    }
    let population: Option<Population> =
        turn.read(&Population::key(&body.owner, &body.population))?;
    let population = population.ok_or(Rule::InspectionPopulationUnknown)?;
    if u64::from(body.sample) > population.count {
        return Err(Rule::InspectionSample.into());
    }
    Ok(population)
}

/// Without a quorum of registered keys the draw could only become void.
fn require_draw_keys(turn: &Turn<'_, '_>) -> Result<(), Refusal> {
    let validators = turn.validators();
    let mut registered = 0;
    for name in validators {
        registered += usize::from(turn.read::<DrawKey>(&DrawKey::key(name))?.is_some());
    }
    if registered < quorum(validators.len()) {
        return Err(Rule::InspectionKeysMissing.into());
    }
    Ok(())
}

fn add_running(
    turn: &mut Turn<'_, '_>,
    inspection: InspectionHandle,
    opened: &Inspection,
) -> Result<(), Refusal> {
    let key = RunningDraws::key();
    let mut running: RunningDraws = turn.read(&key)?.unwrap_or_default();
    if running.0.len() >= RunningDraws::MAX {
        return Err(Rule::InspectionTooMany.into());
    }
    let own = running
        .0
        .iter()
        .filter(|draw| draw.opener == *turn.signer_name());
    if own.count() >= RunningDraws::MAX_OF_ONE {
        return Err(Rule::InspectionTooManyOwn.into());
    }
    running.0.push(RunningDraw {
        opener: turn.signer_name().clone(),
        inspection,
        height: opened.height,
        outputs_by: opened.outputs_by,
    });
    turn.write(key, &running);
    Ok(())
}

/// `inspection.output`: by a validator, once, in time, with a proof that holds under the keys that it had
/// when the inspection was opened.
pub(super) fn output(turn: &mut Turn<'_, '_>, body: &InspectionOutput) -> Result<(), Refusal> {
    require_validator(turn)?;
    let mut inspection = find(turn, &body.opener, &body.inspection)?;
    if inspection.outputs.contains_key(turn.signer_name()) {
        return Err(Rule::InspectionOutputExists.into());
    }
    if turn.time() > inspection.outputs_by {
        return Err(Rule::InspectionOutputLate.into());
    }
    let known: Option<DrawKey> = turn.read(&DrawKey::key(turn.signer_name()))?;
    let serving = known.and_then(|known| known.serving(inspection.opened.index).copied());
    let keys = serving.ok_or(Rule::InspectionKeyLate)?;
    // Last, since it alone may pass later: in the block that opens the inspection there is no seal yet.
    let seal = known_seal(turn, &inspection).ok_or(Rule::InspectionUnsealed)?;
    let input = inspection.input(turn.network(), &body.opener, body.inspection, seal);
    let output = body
        .proof
        .verify(&keys.vrf, &input.of(turn.signer_name()))
        .map_err(|_| Rule::InspectionProof)?;
    let name = turn.signer_name().clone();
    inspection.outputs.insert(name, output.hash());
    turn.write(Inspection::key(&body.opener, &body.inspection), &inspection);
    Ok(())
}

/// The seal of the opening block: kept, or that of the newest block.
fn known_seal(turn: &Turn<'_, '_>, inspection: &Inspection) -> Option<TreeHash> {
    let (height, newest) = turn.newest_seal();
    inspection
        .seal
        .or((inspection.height == height).then_some(newest))
}

fn find(
    turn: &mut Turn<'_, '_>,
    opener: &ParticipantName,
    inspection: &InspectionHandle,
) -> Result<Inspection, Refusal> {
    if let Some(found) = turn.read::<Inspection>(&Inspection::key(opener, inspection))? {
        return Ok(found);
    }
    if turn.has_role(opener, Role::Regulator)? {
        Err(Rule::InspectionUnknown.into())
    } else {
        Err(Rule::InspectionOpenerUnknown.into())
    }
}

/// `inspection.answer`: by the population's owner, once for each draw, in time, for the item that
/// stands at the drawn place.
pub(super) fn answer(turn: &mut Turn<'_, '_>, body: &InspectionAnswer) -> Result<(), Refusal> {
    let mut inspection = find(turn, &body.opener, &body.inspection)?;
    if inspection.owner != *turn.signer_name() {
        return Err(Rule::InspectionNotOwner.into());
    }
    if body.number >= inspection.sample {
        return Err(Rule::InspectionNumber.into());
    }
    if inspection.answered.contains(body.number) {
        return Err(Rule::InspectionAnswered.into());
    }
    if turn.time() > inspection.answer_by {
        return Err(Rule::InspectionAnswerLate.into());
    }
    let place = drawn_place(turn, &inspection, body)?;
    let leaf = item_leaf(&body.item);
    let (size, root) = (Size(inspection.count), inspection.root);
    verify_inclusion(Index(place), size, &leaf, body.proof.as_slice(), &root)
        .map_err(|_| Rule::InspectionItem)?;
    inspection.answered.insert(body.number);
    turn.write(Inspection::key(&body.opener, &body.inspection), &inspection);
    Ok(())
}

fn drawn_place(
    turn: &Turn<'_, '_>,
    inspection: &Inspection,
    body: &InspectionAnswer,
) -> Result<u64, Rule> {
    let seal = match inspection.draw_state(turn.time()) {
        DrawState::Void => return Err(Rule::InspectionVoid),
        DrawState::Waiting => return Err(Rule::InspectionUndrawn),
        DrawState::Drawn => known_seal(turn, inspection).ok_or(Rule::InspectionUndrawn)?,
    };
    let input = inspection.input(turn.network(), &body.opener, body.inspection, seal);
    let seed = input.seed(&inspection.outputs);
    // A draw begins with every smaller one, so that no more is drawn than is asked for.
    let drawn = draw(&seed, inspection.count, body.number.saturating_add(1));
    drawn.last().copied().ok_or(Rule::InspectionNumber)
}

/// What the end of a block adds: the seal of the block before to the inspections that it opened, and
/// draws that no output can come for any more leave the list.
pub(crate) fn close_block(draft: &mut Draft<'_>) -> Result<(), ReadFailed> {
    let Some(mut running) = draft.value::<RunningDraws>(&RunningDraws::key())? else {
        return Ok(());
    };
    let (height, seal) = draft.newest_seal();
    for draw in running.0.iter().filter(|draw| draw.height == height) {
        let key = Inspection::key(&draw.opener, &draw.inspection);
        if let Some(mut inspection) = draft.value::<Inspection>(&key)? {
            inspection.seal = Some(seal);
            draft.write(&key, &inspection);
        }
    }
    let before = running.0.len();
    // The next block's time is later than this one's.
    running.0.retain(|draw| draw.outputs_by > draft.time());
    if running.0.is_empty() {
        draft.remove(&RunningDraws::key());
    } else if running.0.len() < before {
        draft.write(&RunningDraws::key(), &running);
    }
    Ok(())
}
