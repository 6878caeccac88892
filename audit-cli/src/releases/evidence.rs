//! Files of evidence against custodians, made of what was found in their logs.
//!
//! What always holds: a file is written only if it convicts by the policies of the log that was audited, and has its
//! name only when it is whole and on the disk; of one custodian so many are written at most, the first ones
//! of its log; one that is there already and convicts the same custodian for the same request is left as it
//! is, and any other file of that name is never written over.

use super::source::Exported;
use super::{Found, gather::Gathered};
use crate::fault::{Failure, Fault, Trouble};
use crate::file;
use crate::opened::Log;
use crate::state::AuditState;
use medanchor_ledger::document::{SealProof, StateClaim, StateDocument};
use medanchor_ledger::event::{Event, EventBody};
use medanchor_ledger::execute::View;
use medanchor_ledger::merkle::{Leaves, inclusion_proof, leaf_hash};
use medanchor_ledger::rules::{BreakGlass, Request};
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{Index, Size, TreeHash};
use medanchor_store::files::{make_folder, write_durably};
use medanchor_vault::custody::{Evidence, EvidenceFile, Fact, Finding, LoggedRelease, Outside};
use std::path::{Path, PathBuf};

/// The most files against one custodian.
pub(super) const MOST: usize = 64;

/// What evidence is made of: a log that was audited, and where the files go.
pub(super) struct Maker<'a> {
    log: &'a Log,
    state: &'a AuditState,
    seal: SealProof,
    folder: &'a Path,
}

/// Whether signatures alone prove what was found, and no clock.
const fn is_proof(finding: &Finding) -> bool {
    matches!(
        finding.why,
        Outside::Denied | Outside::OtherRecord | Outside::AnchoredFirst
    )
}

impl<'a> Maker<'a> {
    /// To make evidence of what the log says up to its last seal.
    pub(super) fn new(
        log: &'a Log,
        (state, seal): (&'a AuditState, Seal),
        folder: &'a Path,
    ) -> Result<Self, Failure> {
        let index = Index(seal.first.0.saturating_add(seal.count));
        let receipt = log.receipt(index)?;
        make_folder(folder).map_err(|cause| unwritable(folder, &cause))?;
        Ok(Self {
            log,
            state,
            seal: SealProof { seal, receipt },
            folder,
        })
    }

    /// Writes what convicts one custodian, and notes in `found` which files there are and how many releases
    /// were left out.
    pub(super) fn write(
        &self,
        exported: &Exported,
        gathered: &Gathered,
        found: &mut Found,
    ) -> Result<(), Failure> {
        let proofs = found.outside.iter().filter(|finding| is_proof(finding));
        let proofs: Vec<&Finding> = proofs.collect();
        if proofs.is_empty() {
            return Ok(());
        }
        let leaves = exported.entries.iter().map(|one| leaf_hash(&one.encode()));
        let leaves: Vec<TreeHash> = leaves.collect();
        for finding in &proofs {
            if found.evidence.len() >= MOST {
                found.left_out += 1;
                continue;
            }
            // Nothing that it signed has the release yet.
            let Some((at, size)) = found.root_over(finding.place) else {
                continue;
            };
            let Some(access) = gathered.access(&finding.released.request) else {
                continue;
            };
            let logged = self.logged((at, size), finding, &leaves)?;
            if let Some(path) = self.keep(logged, access.index)? {
                found.evidence.insert(finding.place, path);
            }
        }
        Ok(())
    }

    /// The release in the log whose root stands at this entry of the ledger.
    fn logged(
        &self,
        (at, size): (Index, Size),
        finding: &Finding,
        leaves: &[TreeHash],
    ) -> Result<LoggedRelease, Failure> {
        let anchoring = Event::decode(&self.log.entry(at)?).map_err(|_| bent(at))?;
        let path = inclusion_proof(&Leaves(leaves), finding.place, size);
        let path = path.map_err(|cause| Trouble::Work(cause.to_string()))?;
        let released = (finding.place, finding.released.clone());
        let logged = LoggedRelease::new(anchoring, self.log.receipt(at)?, released, path);
        Ok(logged.ok_or_else(|| bent(at))?)
    }

    /// Writes the file, if it convicts; `requested` is where the request stands.
    fn keep(&self, logged: LoggedRelease, requested: Index) -> Result<Option<PathBuf>, Failure> {
        let request = logged.released().request;
        let place = logged.place().0;
        let name = format!("{}-{place}-{request}.evidence", logged.custodian());
        let path = self.folder.join(name);
        let fact = self.request(requested)?;
        let file = EvidenceFile::new(Evidence::Logged(Box::new(logged)), vec![fact]);
        let Ok(convicted) = file.verify(&self.log.trust) else {
            return Ok(None);
        };
        if path.exists() {
            let bytes = file::read(&path, EvidenceFile::MAX_BYTES as u64 * 2)?;
            let there = EvidenceFile::decode(&bytes).ok();
            let same = there.is_some_and(|there| {
                there.evidence().request() == Some(request)
                    && there.verify(&self.log.trust).as_ref() == Ok(&convicted)
            });
            if !same {
                let cause = "another file has this name";
                return Err(unwritable(&path, &cause).into());
            }
            return Ok(Some(path));
        }
        write_durably(&path, &file.encode()).map_err(|cause| unwritable(&path, &cause))?;
        Ok(Some(path))
    }

    /// What the state holds of a request, and its event.
    fn request(&self, at: Index) -> Result<Fact, Failure> {
        let event = Event::decode(&self.log.entry(at)?).map_err(|_| bent(at))?;
        let key = request_key(&event).ok_or_else(|| bent(at))?;
        let claim = StateClaim::of(self.state.view().map(), &key);
        let claim = claim.map_err(|error| Trouble::Work(error.to_string()))?;
        let seal = self.seal.clone();
        Ok(Fact {
            document: StateDocument { key, claim, seal },
            event: Some(event),
        })
    }
}

fn request_key(event: &Event) -> Option<StateKey> {
    match event.body() {
        EventBody::AccessRequest(body) => Some(Request::key(event.issuer(), &body.request)),
        EventBody::AccessBreakGlass(body) => Some(BreakGlass::key(event.issuer(), &body.request)),
        _ => None,
    }
}

/// An entry that was there when the log was audited, and is another one now.
fn bent(at: Index) -> Fault {
    Fault::Differs {
        path: "an entry".to_owned(),
        index: at,
    }
}

fn unwritable(path: &Path, cause: &dyn std::fmt::Display) -> Trouble {
    Trouble::Unwritable {
        path: path.display().to_string(),
        cause: cause.to_string(),
    }
}
