//! What a watcher keeps in its folder.
//!
//! What always holds: a file is under its name whole and durable; the checkpoint that was seen of a
//! log is replaced only by a larger one that the policy accepts and that continues it; whoever is watched cannot fill
//! the disk with evidence, of which only so much is kept of one place, kind and day.
//!
//! | path | what |
//! |---|---|
//! | `genesis` | the network that is watched, as the first log that answered gave it |
//! | `policy-chain` | the longest chain of its policies that any log showed or the user gave |
//! | `seen/<hash>.checkpoint` | the newest checkpoint of a log, by the hash of its folder or address |
//! | `evidence/*.fork` | proof of a fork |
//! | `evidence/policy-fork-*-1.policy-chain`, `-2` | two chains of policies that hold and part: proof that a quorum named two successors |
//! | `evidence/*.observation` | what was seen and nobody signed |
//! | `evidence/*.attestation` | what was seen and the observer signed |
//! | `lock` | held by the watcher that runs |

use super::ObserverKey;
use super::round::{FORK, POLICY_FORK};
use crate::attestation::Statement;
use crate::fault::{Failure, Trouble};
use crate::mirror::folder::failed;
use crate::mirror::now;
use crate::observation::Kind;
use crate::source::{self, Folder, Source};
use crate::trust::{CHAIN, Trust};
use medanchor_ledger::fork::Fork;
use medanchor_ledger::genesis::{Genesis, MAX_GENESIS_BYTES};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::PolicyChain;
use medanchor_ledger::sha256;
use medanchor_store::HomeLock;
use medanchor_store::files::{make_folder, sync_folder, write_aside};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Seconds.
const DAY: u64 = 86_400;

/// How many files a day are kept of one kind and place that no signatures prove.
const MOST_UNPROVED: usize = 8;

/// How many that they do, and how many forks of the same two.
const MOST_PROVED: usize = 64;

/// How many pairs of chains that part are kept, each at most twice 16 MiB.
const MOST_PARTED: usize = 16;

/// Where the evidence is.
pub(super) struct Filed {
    pub(super) path: PathBuf,
    /// So many of its like were kept that day that this is one of them, and nothing was written.
    enough: Option<usize>,
}

impl Filed {
    /// What a finding says, and that its own file was left out, if it was.
    pub(super) fn told(&self, says: String) -> String {
        match self.enough {
            None => says,
            Some(most) => format!(
                "{says}; more of this were seen than the {most} that are kept, of which this is the last"
            ),
        }
    }
}

/// What tells a file of evidence from others.
struct Named {
    kind: &'static str,
    /// The files that are counted together.
    like: String,
    /// This one among them.
    own: String,
    extension: &'static str,
    most: usize,
}

/// A watcher's folder.
pub(crate) struct Kept {
    pub(super) folder: PathBuf,
    _lock: HomeLock,
}

impl Kept {
    pub(crate) fn open(folder: &Path) -> Result<Self, Trouble> {
        make_folder(folder).map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            _lock: HomeLock::take(folder).map_err(failed)?,
        })
    }

    /// The genesis of the network that is watched.
    pub(crate) fn genesis(&self) -> Result<Option<Genesis>, Failure> {
        let bytes = self.read("genesis", MAX_GENESIS_BYTES as u64)?;
        let damaged = |error| {
            let path = self.folder.join("genesis");
            Trouble::Mirror(format!("{} is damaged: {error}", path.display()))
        };
        let decoded = bytes.map(|bytes| Genesis::decode(&bytes).map_err(damaged));
        Ok(decoded.transpose()?)
    }

    pub(crate) fn keep_genesis(&self, genesis: &Genesis) -> Result<(), Trouble> {
        self.write("genesis", genesis.encoded())
    }

    /// Adds the chain of policies that was kept to what is known, and keeps the longer of the two.
    pub(crate) fn learn(&self, trust: &mut Trust) -> Result<(), Failure> {
        let damaged = |error| {
            let path = self.folder.join(CHAIN);
            Trouble::Mirror(format!("{} does not hold: {error}", path.display()))
        };
        let bytes = self.read(CHAIN, PolicyChain::MAX_BYTES as u64)?;
        let longer = bytes.map(|bytes| trust.learn(&bytes).map_err(damaged));
        if longer.transpose()? == Some(true) {
            return Ok(());
        }
        Ok(self.keep_chain(trust)?)
    }

    /// Keeps the chain that is known, if there ever was a change of validators.
    pub(crate) fn keep_chain(&self, trust: &Trust) -> Result<(), Trouble> {
        match trust.chain().filter(|chain| !chain.links.is_empty()) {
            Some(chain) => self.write(CHAIN, &chain.encode()),
            None => Ok(()),
        }
    }

    /// Keeps proof of a fork of these, whatever the day once.
    pub(super) fn keep_fork(&self, fork: &Fork, of: &str) -> Result<Filed, Trouble> {
        let (earlier, later) = fork.notes();
        let own = short([of, earlier.text(), later.text()].concat().as_bytes());
        let ends = format!("-{own}.{FORK}");
        if let Some(path) = self.alike(FORK, &ends)?.pop() {
            return Ok(Filed { path, enough: None });
        }
        let named = Named {
            kind: FORK,
            like: short(format!("{of} {}", now() / DAY).as_bytes()),
            own,
            extension: FORK,
            most: MOST_PROVED,
        };
        self.evidence(&named, || Ok(fork.to_string().into_bytes()))
    }

    /// Keeps two chains that part, in whatever order once; where the first of the two is.
    pub(super) fn keep_parted(
        &self,
        one: &PolicyChain,
        other: &PolicyChain,
    ) -> Result<Filed, Trouble> {
        let mut both = [one.encode(), other.encode()];
        both.sort();
        let [first, second] = both;
        let like = short(&[&*first, &second].concat());
        let mut parted = self.parted_firsts()?;
        let name = |number: u8| format!("evidence/{POLICY_FORK}-{like}-{number}.{CHAIN}");
        let path = self.folder.join(name(1));
        if path.is_file() || parted.len() < MOST_PARTED {
            let enough = None;
            if !path.is_file() {
                // The first is there only if both are.
                self.write(&name(2), &second)?;
                self.write(&name(1), &first)?;
            }
            return Ok(Filed { path, enough });
        }
        let enough = Some(MOST_PARTED);
        let path = parted.pop().unwrap_or(path);
        Ok(Filed { path, enough })
    }

    /// The chains that were kept because they part.
    pub(super) fn parted(&self) -> Result<Vec<PathBuf>, Trouble> {
        self.alike(&format!("{POLICY_FORK}-"), &format!(".{CHAIN}"))
    }

    fn parted_firsts(&self) -> Result<Vec<PathBuf>, Trouble> {
        self.alike(&format!("{POLICY_FORK}-"), &format!("-1.{CHAIN}"))
    }

    /// Keeps an observation.
    pub(super) fn keep_observation(
        &self,
        statement: Statement,
        proved: bool,
    ) -> Result<Filed, Trouble> {
        let named = Named::of(&statement, "", proved, "observation");
        self.evidence(&named, || Ok(statement.unsigned().to_string().into_bytes()))
    }

    /// Signs and keeps a statement.
    pub(super) fn keep_attestation(
        &self,
        statement: Statement,
        key: &ObserverKey,
        proved: bool,
    ) -> Result<Filed, Trouble> {
        let by = key.verifier().to_string();
        let named = Named::of(&statement, &by, proved, "attestation");
        self.evidence(&named, || {
            let signed = statement.sign(key);
            let signed = signed.map_err(|error| Trouble::Mirror(error.to_string()))?;
            Ok(signed.encode())
        })
    }

    /// Keeps a file of evidence, unless it is there, or enough of its like are.
    fn evidence(
        &self,
        named: &Named,
        bytes: impl FnOnce() -> Result<Vec<u8>, Trouble>,
    ) -> Result<Filed, Trouble> {
        let Named {
            kind,
            like,
            own,
            extension,
            most,
        } = named;
        let begins = format!("{kind}-{like}-");
        let name = format!("evidence/{begins}{own}.{extension}");
        let path = self.folder.join(&name);
        let enough = None;
        if path.is_file() {
            return Ok(Filed { path, enough });
        }
        let mut alike = self.alike(&begins, &format!(".{extension}"))?;
        match alike
            .pop()
            .filter(|_| alike.len() >= most.saturating_sub(1))
        {
            Some(path) => {
                let enough = Some(*most);
                Ok(Filed { path, enough })
            }
            None => {
                self.write(&name, &bytes()?)?;
                Ok(Filed { path, enough })
            }
        }
    }

    /// The files of evidence whose names begin and end so, in the order of their names.
    fn alike(&self, begins: &str, ends: &str) -> Result<Vec<PathBuf>, Trouble> {
        self.alike_in("evidence", begins, ends)
    }

    /// The files of a folder whose names begin and end so, in the order of their names.
    pub(super) fn alike_in(
        &self,
        inner: &str,
        begins: &str,
        ends: &str,
    ) -> Result<Vec<PathBuf>, Trouble> {
        let folder = self.folder.join(inner);
        let unreadable = |cause| source::unreadable(&folder.display().to_string(), &cause);
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unreadable)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let is_like = name
                .to_str()
                .is_some_and(|name| name.starts_with(begins) && name.ends_with(ends));
            if is_like {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        Folder(self.folder.clone()).read(name, limit)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
        let path = self.folder.join(name);
        let parent = path.parent().unwrap_or(&self.folder);
        make_folder(parent).map_err(failed)?;
        write_aside(&path, bytes).map_err(failed)?;
        sync_folder(parent).map_err(failed)
    }
}

impl Named {
    /// Of what was seen: of one kind and place those of a day are alike, and the checkpoints tell them apart
    /// where any with a quorum do.
    fn of(statement: &Statement, by: &str, proved: bool, extension: &'static str) -> Self {
        let seen = &statement.seen;
        let kind = seen.kind.name();
        let day = seen.seconds / DAY;
        let like = format!("{kind} {} {day} {by} {proved}", seen.of);
        let served = statement.checkpoint().map(|signed| signed.note);
        let notes: Vec<&Note> = match seen.kind {
            Kind::Rollback | Kind::Stall => served.iter().chain(&statement.known).collect(),
            Kind::Broken => statement.known.iter().collect(),
            Kind::NoQuorum | Kind::Unreachable | Kind::Behind => Vec::new(),
        };
        let own: String = notes.iter().map(|note| note.text()).collect();
        Self {
            kind,
            like: short(like.as_bytes()),
            own: short(own.as_bytes()),
            extension,
            most: match proved {
                true => MOST_PROVED,
                false => MOST_UNPROVED,
            },
        }
    }
}

/// A hash, as far as it goes into a name.
fn short(text: &[u8]) -> String {
    let hash = sha256(&[text]);
    hex::encode(hash.first_chunk::<8>().unwrap_or(&[0; 8]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::GenesisHash;
    use medanchor_ledger::policy::Policy;

    fn files(kept: &Kept) -> usize {
        kept.alike("", "").expect("a folder").len()
    }

    #[test]
    fn what_signatures_prove_is_kept_up_to_a_bound_and_the_last_file_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = Kept::open(folder.path()).expect("a folder");
        let filed = |like: &str, own: usize| {
            let named = Named {
                kind: "rollback",
                like: short(like.as_bytes()),
                own: format!("{own:016}"),
                extension: "observation",
                most: MOST_PROVED,
            };
            let filed = kept.evidence(&named, || Ok(b"proof".to_vec()));
            filed.expect("a file")
        };
        for own in 0..MOST_PROVED {
            assert!(filed("a place", own).enough.is_none());
        }
        let more = filed("a place", MOST_PROVED);
        assert_eq!(more.path, filed("a place", MOST_PROVED - 1).path);
        assert!(more.told("it".to_owned()).contains("the 64 that are kept"));
        assert!(filed("a place", 0).enough.is_none(), "it is there");
        assert!(filed("another", 0).enough.is_none());
        assert_eq!(files(&kept), MOST_PROVED + 1);
    }

    #[test]
    fn two_chains_that_part_are_kept_once_and_so_many_pairs() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = Kept::open(folder.path()).expect("a folder");
        let policy = include_bytes!("../../../vectors/custody-evidence/policy");
        let chain = |number: u8| PolicyChain {
            genesis: GenesisHash::new([number; 32]),
            first: Policy::parse(policy).expect("a policy"),
            links: Vec::new(),
        };
        let filed = |one, other| {
            let filed = kept.keep_parted(&chain(one), &chain(other));
            filed.expect("files")
        };
        assert_eq!(filed(0, 1).path, filed(1, 0).path);
        assert_eq!(files(&kept), 2);
        for other in 2..40 {
            let enough = filed(0, other).enough.is_some();
            assert_eq!(enough, usize::from(other) > MOST_PARTED, "{other}");
        }
        assert_eq!(files(&kept), 2 * MOST_PARTED);
    }
}
