//! One log as its witness knows it.
//!
//! What always holds: a larger size is cosigned at no earlier time than a smaller one, whatever the clock
//! says: an earlier one would convict the witness of having gone back.

use super::evidence::{self, Kept, Kind};
use super::key::WitnessKey;
use super::{Answer, Failure};
use crate::trust::Trust;
use medanchor_ledger::Size;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::note::{Held, KeyName, Note, NoteSignature};
use medanchor_ledger::policy::{CheckpointPolicy, Distrust, Policy};
use medanchor_ledger::witness::{AddCheckpoint, Refusal, advance};
use medanchor_store::{make_folder, write_durably};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// One log.
pub(super) struct Log {
    folder: PathBuf,
    policies: Vec<Trust>,
    /// Held from the check of a request until its checkpoint is on disk.
    state: Mutex<State>,
}

struct State {
    last: Option<Checkpoint>,
    /// When that was cosigned, in seconds since 1970; 0 if nothing was.
    seconds: u64,
    /// Writing failed: what is on disk may be newer than `last`, so nothing is cosigned any more.
    failed: bool,
    /// The kinds of evidence of which it was said that no more is kept.
    full: Vec<Kind>,
}

impl Log {
    /// Opens the log's folder, which need not exist.
    pub(super) fn open(
        folder: PathBuf,
        origin: &KeyName,
        policies: Vec<Trust>,
        key: &WitnessKey,
    ) -> Result<Self, Failure> {
        let failed = |cause| Failure::Folder {
            dir: folder.clone(),
            cause,
        };
        make_folder(&folder).map_err(failed)?;
        let path = path(&folder);
        let damaged = || Failure::Damaged { path: path.clone() };
        let (last, seconds) = match read(&path).map_err(|_| damaged())? {
            None => (None, 0),
            Some(bytes) => {
                let (last, seconds) = own(&bytes, origin, key).ok_or_else(damaged)?;
                (Some(last), seconds)
            }
        };
        let state = Mutex::new(State {
            last,
            seconds,
            failed: false,
            full: Vec::new(),
        });
        Ok(Self {
            folder,
            policies,
            state,
        })
    }

    /// The size cosigned last; 0 if there is none.
    pub(super) fn size(&self) -> Size {
        let state = self.state();
        state.last.as_ref().map_or(Size(0), |last| last.size)
    }

    /// The note of the checkpoint cosigned last.
    pub(super) fn note(&self) -> Option<Vec<u8>> {
        read(&path(&self.folder)).ok().flatten()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request, whose bytes were `body`, for `next`, a checkpoint of this log.
    pub(super) fn add(
        &self,
        key: &WitnessKey,
        request: &AddCheckpoint,
        next: Checkpoint,
        body: &[u8],
    ) -> Answer {
        let signatures = match self.trusted(&request.checkpoint) {
            Ok(signatures) => signatures,
            Err(distrust) => return Answer::Refused(403, distrust.to_string()),
        };
        let mut state = self.state();
        if state.failed {
            return broken("the witness could not write to its disk; it must be started again");
        }
        let verdict = advance(state.last.as_ref(), request.old, &request.proof, &next);
        if let Some(kind) = evidence::kind(state.last.as_ref(), &next, verdict) {
            self.keep(&mut state, kind, &next, body);
        }
        match verdict {
            Ok(()) => {}
            Err(refusal) => return refused(&refusal),
        }
        let text = request.checkpoint.text();
        let time = now().map(|time| time.max(state.seconds));
        let Some((time, own)) = time.and_then(|time| Some((time, key.cosign(time, text)?))) else {
            return broken("the witness's clock is wrong");
        };
        let lines = [signatures, vec![own.clone()]].concat();
        let Ok(note) = Note::new(text, lines) else {
            return Answer::Refused(400, "the checkpoint has too many signatures".to_owned());
        };
        if let Err(error) = write_durably(&path(&self.folder), note.to_string().as_bytes()) {
            state.failed = true;
            super::complain(&error);
            return broken("the witness could not write to its disk");
        }
        self.let_go(&mut state, &next);
        state.last = Some(next);
        state.seconds = time;
        Answer::Cosigned(own.to_string())
    }

    /// The signatures for which the checkpoint is trusted.
    fn trusted(&self, note: &Note) -> Result<Vec<NoteSignature>, Distrust> {
        let mut met = None;
        let mut distrust = None;
        for trust in &self.policies {
            match trust.verify_checkpoint(note) {
                Ok(_) => met = met.or(Some(trust)),
                // A bad signature under any trusted key condemns the note.
                Err(bad @ Distrust::Signature { .. }) => return Err(bad),
                Err(other) => distrust = Some(other),
            }
        }
        match (met, distrust) {
            (Some(trust), _) => Ok(lines_of(note, trust.range_of(note)?.policy())),
            (None, Some(distrust)) => Err(distrust),
            // There is a policy at least.
            (None, None) => Ok(Vec::new()),
        }
    }

    fn keep(&self, state: &mut State, kind: Kind, next: &Checkpoint, body: &[u8]) {
        let last = self.note().unwrap_or_default();
        match evidence::keep(&self.folder, kind, next, &last, body) {
            Ok(Kept::New(place)) => {
                super::complain(&format_args!("{kind}: kept in {}", place.display()));
            }
            Ok(Kept::Known) => {}
            Ok(Kept::Full(folder)) if !state.full.contains(&kind) => {
                state.full.push(kind);
                super::complain(&format_args!(
                    "{kind}: not kept, {} is full; move its {}-* elsewhere to keep more",
                    folder.display(),
                    kind.word()
                ));
            }
            Ok(Kept::Full(_)) => {}
            Err(error) => super::complain(&error),
        }
    }

    fn let_go(&self, state: &mut State, cosigned: &Checkpoint) {
        match evidence::let_go(&self.folder, cosigned) {
            Ok(true) => state.full.retain(|kind| *kind != Kind::Unproved),
            Ok(false) => {}
            Err(error) => super::complain(&format_args!(
                "{}: what is proved now cannot be let go: {error}",
                self.folder.join("evidence").display()
            )),
        }
    }
}

/// The lines of a note that are by keys of a policy.
fn lines_of(note: &Note, policy: &Policy) -> Vec<NoteSignature> {
    let keys: Vec<_> = policy.logs().iter().chain(policy.witnesses()).collect();
    let known = |line: &&NoteSignature| keys.iter().any(|key| key.claims(line));
    note.signatures().iter().filter(known).cloned().collect()
}

fn refused(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Conflict { size } => Answer::Conflict(*size),
        Refusal::OldAboveNew { .. } => Answer::Refused(400, refusal.to_string()),
        _ => Answer::Refused(422, refusal.to_string()),
    }
}

fn broken(why: &str) -> Answer {
    Answer::Refused(500, why.to_owned())
}

/// Seconds since 1970.
fn now() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

fn path(folder: &Path) -> PathBuf {
    folder.join("checkpoint")
}

/// The checkpoint of a note and when this witness cosigned it, if it did for that origin.
fn own(note: &[u8], origin: &KeyName, key: &WitnessKey) -> Option<(Checkpoint, u64)> {
    let note = Note::parse(note).ok()?;
    let checkpoint: Checkpoint = note.text().parse().ok()?;
    let Held::At(seconds) = note.signed_by(key.verifier()).ok()?? else {
        return None;
    };
    (checkpoint.origin == *origin).then_some((checkpoint, seconds))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(Note::MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
