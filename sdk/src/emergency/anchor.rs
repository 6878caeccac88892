//! Anchoring the emergency journal: what was opened while the network was cut, and once a day where the
//! journal stands, even when nothing was opened.
//!
//! What always holds: entries are anchored in their order, and what the ledger has of them is read, proved,
//! before anything is signed: so a crash anywhere repeats nothing. A journal that contradicts the ledger
//! is not anchored, and not stated: whoever holds it can say nothing until it is mended, which every
//! patient's list shows after a day.

use super::journal::{Journal, Lost, Step};
use super::{EmergencyError, JournalStanding};
use crate::anchor::{AnchorError, Refusal, Sdk};
use crate::custody::proved_value;
use crate::receipt::Anchored;
use medanchor_ledger::event::{
    AccessEmergency, EmergencyJournal, Event, EventKind, JournalKeyKind,
};
use medanchor_ledger::rules::EmergencyHead;
use medanchor_ledger::{JournalHead, Time};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The most entries that are posted together.
const TOGETHER: usize = 256;
/// How often the ledger is read again when it moved meanwhile or a node is behind, and after what pause.
const ROUNDS: usize = 8;
const PAUSE: Duration = Duration::from_millis(250);

/// What became of an emergency journal.
#[derive(Clone, Debug)]
pub struct EmergencyAnchored {
    /// The entries that were anchored now.
    pub entries: Vec<Anchored>,
    /// What was stated, if it was due; of a call that only registered the journal, that.
    pub stated: Option<Anchored>,
    /// Where the journal stands.
    pub journal: JournalStanding,
}

/// Where an emergency journal stands here and on the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmergencyStanding {
    /// Here.
    pub journal: JournalStanding,
    /// On the ledger; none if it was never anchored.
    pub ledger: Option<EmergencyHead>,
    /// The time of the block that says so.
    pub time: Time,
    /// Where the journal's key is kept, as it is stated from now on.
    pub key_kind: JournalKeyKind,
}

impl EmergencyStanding {
    /// How many entries are not anchored yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let anchored = self.ledger.map_or(0, |ledger| ledger.counter);
        self.journal.counter.saturating_sub(anchored)
    }
}

/// What the ledger lacks of the journal.
///
/// # Errors
/// [`EmergencyError::RolledBack`], [`EmergencyError::Forked`].
pub(super) fn missing(
    journal: &Journal,
    ledger: Option<&EmergencyHead>,
) -> Result<Vec<Step>, EmergencyError> {
    let (anchored, head) =
        ledger.map_or((0, JournalHead::EMPTY), |found| (found.counter, found.head));
    let found = journal.standing().counter;
    match journal.head_at(anchored) {
        None => Err(EmergencyError::RolledBack { anchored, found }),
        Some(own) if own != head => Err(EmergencyError::Forked { anchored }),
        Some(_) => {
            let steps = journal.steps();
            let behind = steps.filter(|step| step.standing().counter > anchored);
            Ok(behind.cloned().collect())
        }
    }
}

impl Sdk {
    pub(super) fn emergency_head(&self) -> Result<(Option<EmergencyHead>, Time), EmergencyError> {
        let key = EmergencyHead::key(self.participant());
        let found = proved_value::<EmergencyHead>(self.client(), &key, None)?;
        Ok((found.value, found.at.1))
    }

    /// What the ledger lacks of the journal, where the journal stands, and where its key is kept.
    fn emergency_missing(
        &self,
        ledger: Option<&EmergencyHead>,
    ) -> Result<(Vec<Step>, JournalStanding, JournalKeyKind), EmergencyError> {
        let _turn = self.emergency_turn();
        let journal = self.open_journal()?;
        let missing = missing(&journal, ledger)?;
        Ok((missing, journal.standing(), journal.kind()))
    }

    /// Where the emergency journal stands here and on the ledger, proved.
    ///
    /// # Errors
    /// [`EmergencyError::RolledBack`] and [`EmergencyError::Forked`] among them.
    pub fn emergency_standing(&self) -> Result<EmergencyStanding, EmergencyError> {
        let (ledger, time) = self.emergency_head()?;
        let (_, journal, key_kind) = self.emergency_missing(ledger.as_ref())?;
        Ok(EmergencyStanding {
            journal,
            ledger,
            time,
            key_kind,
        })
    }

    /// Anchors every entry of the emergency journal that the ledger lacks, in their order, and states where
    /// the journal stands, unless it was stated within `due` and nothing was added. The first call
    /// registers the journal. After a failure or a crash, call it again.
    ///
    /// # Errors
    /// [`EmergencyError`]; a journal that was rolled back is refused.
    pub fn anchor_emergency(&self, due: Duration) -> Result<EmergencyAnchored, EmergencyError> {
        self.drop_pending()?;
        let mut anchoring = Anchoring {
            sdk: self,
            due: u64::try_from(due.as_millis()).unwrap_or(u64::MAX),
            done: Vec::new(),
            reached: 0,
            registered: None,
            refused: None,
        };
        for _ in 0..ROUNDS {
            if let Some((stated, journal)) = anchoring.round()? {
                return Ok(EmergencyAnchored {
                    entries: anchoring.done,
                    stated: stated.or(anchoring.registered),
                    journal,
                });
            }
            self.client().turn_to_next_node();
            self.client().context().pause(PAUSE);
        }
        Err(match anchoring.refused {
            Some(why) => AnchorError::Refused(why).into(),
            None => EmergencyError::NotShown,
        })
    }

    /// Has the journal of the emergency key registered, if there is such a key: a patient's list shows nothing
    /// of a journal that the ledger does not know.
    pub(crate) fn register_emergency_journal(&self) -> Result<(), EmergencyError> {
        // The ledger takes no registration back, so it is asked until it says yes.
        let registered = self.journal_registered();
        if !self.vault().has_emergency_key() || registered.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self.emergency_head()?.0.is_none() {
            self.anchor_emergency(Duration::MAX)?;
        }
        registered.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Forgets what was signed of the journal before and is not settled: what the ledger lacks of it is
    /// signed anew, and what it has is not said twice.
    fn drop_pending(&self) -> Result<(), EmergencyError> {
        for pending in self.unsettled() {
            let kind = Event::decode(&pending.event).map(|event| event.kind());
            if matches!(
                kind,
                Ok(EventKind::AccessEmergency | EventKind::EmergencyJournal)
            ) {
                self.abandon(&pending.id)?;
            }
        }
        Ok(())
    }
}

/// The statement of a journal that stands so.
const fn stated(standing: &JournalStanding, key_kind: JournalKeyKind) -> EmergencyJournal {
    EmergencyJournal {
        counter: standing.counter,
        head: standing.head,
        key_kind,
        lost: 0,
    }
}

/// A journal on its way to the ledger.
struct Anchoring<'s> {
    sdk: &'s Sdk,
    /// After how many milliseconds the journal is stated again.
    due: u64,
    done: Vec<Anchored>,
    /// The last entry that was anchored here: a node that is behind shows it as missing.
    reached: u64,
    /// The statement by which the ledger came to know the journal, if this call made it.
    registered: Option<Anchored>,
    /// Why the ledger refused something last, which the next round may find to be there already.
    refused: Option<Box<Refusal>>,
}

type Stated = (Option<Anchored>, JournalStanding);

impl Anchoring<'_> {
    /// Reads where the ledger stands and does what is next; none if the ledger is to be read again.
    fn round(&mut self) -> Result<Option<Stated>, EmergencyError> {
        let (ledger, time) = self.sdk.emergency_head()?;
        let (mut missing, journal, key_kind) = self.sdk.emergency_missing(ledger.as_ref())?;
        let Some(ledger) = ledger else {
            self.registered = self.say(stated(&JournalStanding::EMPTY, key_kind))?;
            return Ok(None);
        };
        missing.retain(|step| step.standing().counter > self.reached);
        if !missing.is_empty() {
            self.anchor_steps(&missing, key_kind)?;
            return Ok(None);
        }
        if !self.is_due(&ledger, time, key_kind) {
            return Ok(Some((None, journal)));
        }
        let stated = self.say(stated(&journal, key_kind))?;
        Ok(stated.map(|stated| (Some(stated), journal)))
    }

    fn is_due(&self, ledger: &EmergencyHead, time: Time, key_kind: JournalKeyKind) -> bool {
        // By this machine's clock too: on an idle network the newest block may be old.
        let now = self.sdk.now().max(time);
        let old = now >= ledger.stated.plus_millis(self.due);
        old || !self.done.is_empty() || ledger.key_kind != key_kind
    }

    /// Anchors entries and says what is lost, in their order, as far as the ledger takes them: what stands
    /// behind something that it refused is not posted, but the ledger read again. What is lost is said one
    /// by one, since a statement that waited in a pool would be taken behind whatever comes before it.
    fn anchor_steps(
        &mut self,
        steps: &[Step],
        key_kind: JournalKeyKind,
    ) -> Result<(), EmergencyError> {
        let of_a_kind = |one: &Step, next: &Step| one.entry().is_some() && next.entry().is_some();
        for part in steps.chunk_by(of_a_kind) {
            if let [Step::Lost(lost)] = part {
                self.lose(lost, key_kind)?;
            } else {
                let entries: Vec<_> = part.iter().filter_map(Step::entry).cloned().collect();
                self.anchor(&entries)?;
            }
            if part
                .last()
                .is_some_and(|last| last.standing().counter != self.reached)
            {
                break;
            }
        }
        Ok(())
    }

    fn lose(&mut self, lost: &Lost, key_kind: JournalKeyKind) -> Result<(), EmergencyError> {
        let said = self.say(EmergencyJournal {
            lost: lost.count(),
            ..stated(&lost.standing, key_kind)
        })?;
        if said.is_some() {
            self.reached = lost.standing.counter;
        }
        Ok(())
    }

    /// States where the journal stands; none if the ledger has moved on.
    fn say(&mut self, says: EmergencyJournal) -> Result<Option<Anchored>, EmergencyError> {
        match self.sdk.anchor(self.sdk.sign(says)?) {
            Ok(anchored) => Ok(Some(anchored)),
            Err(AnchorError::Refused(why)) => {
                self.refused = Some(why);
                Ok(None)
            }
            Err(other) => Err(other.into()),
        }
    }

    fn anchor(&mut self, missing: &[AccessEmergency]) -> Result<(), EmergencyError> {
        for part in missing.chunks(TOGETHER) {
            let last = part.last().map(|entry| entry.counter);
            let signed = part.iter().map(|entry| self.sdk.sign(entry.clone()));
            let signed: Vec<Event> = signed.collect::<Result<_, _>>()?;
            for (result, entry) in self.sdk.anchor_batch(signed).into_iter().zip(part) {
                match result {
                    Ok(anchored) => {
                        self.done.push(anchored);
                        self.reached = entry.counter;
                    }
                    // It may be there already: the next round sees.
                    Err(AnchorError::Refused(why)) => self.refused = Some(why),
                    Err(AnchorError::Client(error)) => return Err(error.into()),
                    Err(source) => {
                        return Err(EmergencyError::Waits {
                            counter: entry.counter,
                            record: entry.record,
                            source,
                        });
                    }
                }
            }
            if last != Some(self.reached) {
                break;
            }
        }
        Ok(())
    }
}
