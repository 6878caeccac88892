//! What an audit finds wrong, and where.
//!
//! What always holds: a [`Fault`] is proof that the files do not make a sound ledger; a [`Trouble`]
//! is none, something could not be read and there is no verdict.

use medanchor_ledger::certificate::CertificateError;
use medanchor_ledger::checkpoint::CheckpointError;
use medanchor_ledger::cosignature::CosignatureError;
use medanchor_ledger::event::DecodeError;
use medanchor_ledger::execute::{BlockFault, Halt};
use medanchor_ledger::genesis::GenesisError;
use medanchor_ledger::note::NoteError;
use medanchor_ledger::policy::{ChainError, Distrust};
use medanchor_ledger::receipt::Unproved;
use medanchor_ledger::{EventId, Height, Index, InspectionHandle, ParticipantName, Round, Size};
use std::path::PathBuf;

/// Why there is no good verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The files do not make a sound ledger.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// There is no verdict.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// Something could not be read or kept, so there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The log's place cannot be used.
    #[error("{place} could not be read: {cause}; give the folder or address of a published log")]
    Unreadable {
        /// What was to be read.
        place: String,
        /// What the system or the server said.
        cause: String,
    },
    /// A file that the command line names.
    #[error(
        "{path} could not be read: {cause}; give a file that you can read, of the kind that --help names"
    )]
    File {
        /// The file.
        path: String,
        /// What the system said, or what it is instead.
        cause: String,
    },
    /// What was to be written could not be.
    #[error("{path} could not be written: {cause}; free some space, or give another path")]
    Unwritable {
        /// The file or folder.
        path: String,
        /// What the system said.
        cause: String,
    },
    /// The auditor's own state failed.
    #[error("the auditor's own state failed: {0}; free some disk space, or give another --work")]
    Work(String),
    /// The checkpoint does not reach the height that was asked for.
    #[error(
        "the checkpoint ends with height {last}, before height {wanted}; ask for that or an earlier one, or wait for a later checkpoint"
    )]
    Beyond {
        /// The height that was asked for.
        wanted: Height,
        /// The last one that there is.
        last: Height,
    },
    /// A file of items of which the log knows nothing.
    #[error(
        "{path} holds neither a population that was inspected nor items that were answered, so nothing is said of it; the ledger was found to hold; ask for the right file"
    )]
    OtherItems {
        /// The file.
        path: String,
    },
    /// The folder is a mirror that has no checkpoint yet.
    #[error(
        "{0} is an incomplete mirror: its first run was interrupted, so it has no checkpoint yet; run `medanchor-audit mirror` again"
    )]
    Unfinished(String),
    /// Whose signatures count at a size is not known, so that a file of evidence cannot be judged.
    #[error(
        "who signed the checkpoint of {size} entries in it is nobody, or too few, by the policies that are known; if the validators have changed, give the chain of policies up to then with --policy-chain (a node has it as /policy-chain); if not, it proves nothing{besides}"
    )]
    Strangers {
        /// The size of the checkpoint.
        size: Size,
        /// What else is to be said of the file.
        besides: String,
    },
    /// The user asked to stop.
    #[error("stopped, as was asked; what was fetched so far is kept, and the same command goes on")]
    Stopped,
    /// The auditor's own files cannot be written.
    #[error("{0}")]
    Mirror(String),
    /// A thread of the auditor panicked.
    #[error(
        "a thread of the auditor panicked, so there is no verdict; report the message that it printed"
    )]
    Panicked,
    /// The state's rules are newer than this release, or its state could not be read.
    #[error(transparent)]
    Halt(#[from] Halt),
}

/// Proof that the files do not make a sound ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// A file that a log of this size has is not there.
    #[error("{path} is missing, though the checkpoint needs it")]
    Missing {
        /// The file.
        path: String,
    },
    /// Two signed checkpoints contradict each other.
    #[error("the log was FORKED: its checkpoints of {earlier} and {later} entries cannot both be true; the evidence is in {}, check it with `medanchor-audit evidence` and take it to the other members", evidence.display())]
    Fork {
        /// The smaller size.
        earlier: Size,
        /// The larger one.
        later: Size,
        /// The file with the evidence.
        evidence: PathBuf,
    },
    /// The source has less than it had.
    #[error("the source has a checkpoint of {found} entries, after one of {held}; nothing was changed, and both are kept in {}", evidence.display())]
    Rollback {
        /// The size of the checkpoint that is held.
        held: Size,
        /// The size that is served now.
        found: Size,
        /// The file with both checkpoints.
        evidence: PathBuf,
    },
    /// A file that came is not the one that the log committed to.
    #[error("{path} is not what the log committed to, from entry {index} on")]
    Differs {
        /// The file.
        path: String,
        /// The first entry that differs, or that stands under what differs.
        index: Index,
    },
    /// A note's text is no checkpoint.
    #[error("checkpoint: {cause}")]
    Checkpoint {
        /// What is wrong.
        cause: CheckpointError,
    },
    /// A file of evidence proves nothing.
    #[error("{0}")]
    Evidence(String),
    /// A receipt does not hold.
    #[error("the entry is not proved: {0}")]
    Unproved(#[from] Unproved),
    /// The log has no such entry.
    #[error(
        "there is no entry {index} in a log of {size} entries; take a smaller index, or wait for a later checkpoint"
    )]
    NoEntry {
        /// The entry.
        index: Index,
        /// The size of the log.
        size: Size,
    },
    /// The log has no such event.
    #[error(
        "event {id} is not among the {size} entries of this log; check the id, or wait for a later checkpoint"
    )]
    NoEvent {
        /// The event.
        id: EventId,
        /// The size of the log.
        size: Size,
    },
    /// A checkpoint of no entries.
    #[error("a checkpoint of an empty log says nothing; take one with entries")]
    EmptyLog,
    /// A file is longer than any such file of a log.
    #[error("{path} is longer than the {limit} bytes that it can have")]
    TooLong {
        /// The file.
        path: String,
        /// How long it can be.
        limit: u64,
    },
    /// The genesis file is none.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// The chain of policies does not hold, so it is not known whose signatures count.
    #[error("policy-chain: {0}")]
    Chain(#[from] ChainError),
    /// Two chains of policies that both hold name different successors.
    #[error(
        "policy-chain: it parts from the one that is known at policy {link}, and both are signed: the validators before named two successors; keep both and take them to the other members"
    )]
    ChainsPart {
        /// The place of the first policy that differs, from 0.
        link: usize,
    },
    /// The network is another than the one that was asked for.
    #[error("this is the log of {found}, not of {wanted}")]
    OtherNetwork {
        /// The origin that was asked for.
        wanted: String,
        /// The origin of the log.
        found: String,
    },
    /// A policy file does not say what the genesis demands.
    #[error("{path} is not the policy that genesis and seals name")]
    Policy {
        /// The file.
        path: String,
    },
    /// The given policy file is none.
    #[error("the policy to audit by is none: {0}")]
    GivenPolicy(#[from] medanchor_ledger::policy::PolicyError),
    /// The checkpoint is no note.
    #[error("checkpoint: {0}")]
    Note(#[from] NoteError),
    /// The checkpoint does not meet the policy.
    #[error("checkpoint: {0}")]
    Distrust(#[from] Distrust),
    /// The bytes of an entry are not those that the log committed to.
    #[error("entry {index}: its bytes in {path} are not those that the log committed to{}", of_height(*height))]
    Entry {
        /// The entry.
        index: Index,
        /// The bundle it stands in.
        path: String,
        /// The height of its block.
        height: Height,
    },
    /// A bundle has more bytes than its entries.
    #[error("{path} has bytes after its last entry, {last}")]
    Trailing {
        /// The bundle.
        path: String,
        /// Its last entry.
        last: Index,
    },
    /// A hash of a tile is not that of what it stands for.
    #[error("{path}: hash {place} is not that of entries {first} to {last}")]
    Tile {
        /// The tile.
        path: String,
        /// The hash's place in it, from 0.
        place: u64,
        /// The first entry under the hash.
        first: Index,
        /// The last entry under the hash.
        last: Index,
    },
    /// An older file and the newest one of its place differ.
    #[error("{path} is no beginning of {newest}, which the log commits to: they differ at {}", entries(*first, *last))]
    Older {
        /// The older file.
        path: String,
        /// The newest one.
        newest: String,
        /// The first entry under what differs.
        first: Index,
        /// The last entry under what differs.
        last: Index,
    },
    /// An older file has more or less than its name says.
    #[error("{path} does not have as much as its name says")]
    OlderShape {
        /// The older file.
        path: String,
    },
    /// A tile has the wrong length.
    #[error("{path}: {cause}")]
    TileShape {
        /// The tile.
        path: String,
        /// What is wrong.
        cause: medanchor_ledger::merkle::tile::TileError,
    },
    /// The root of all entries is not the checkpoint's.
    #[error("the {size} entries do not lead to the checkpoint's root")]
    Root {
        /// How many entries there are.
        size: Size,
    },
    /// An entry is neither an event nor a seal.
    #[error("entry {index} at height {height}: {cause}")]
    Decode {
        /// The entry.
        index: Index,
        /// The height of its block.
        height: Height,
        /// What is wrong.
        cause: DecodeError,
    },
    /// A block has more or longer entries than the rules allow.
    #[error("height {height}: more or longer entries than a block may have, from entry {first} on")]
    Oversize {
        /// The height.
        height: Height,
        /// The block's first entry.
        first: Index,
    },
    /// The log does not end with a block's seal.
    #[error("entry {last} is the last one and no seal: the log ends within height {height}")]
    Unsealed {
        /// The last entry.
        last: Index,
        /// The height that is cut short.
        height: Height,
    },
    /// Entry 0 is not what genesis lays down.
    #[error("entry 0 is not the seal that the genesis file lays down")]
    FirstSeal,
    /// A block breaks a rule.
    #[error("height {height}, entry {index}: {cause}")]
    Block {
        /// The height.
        height: Height,
        /// The entry at fault: the event, or the seal.
        index: Index,
        /// What it did wrong.
        cause: BlockFault,
    },
    /// A height has no certificate.
    #[error("height {height}: there is no certificate that the block was decided")]
    NoCertificate {
        /// The height.
        height: Height,
    },
    /// The file of certificates is damaged.
    #[error("{path}, byte {position}: {what}")]
    Records {
        /// The file.
        path: &'static str,
        /// Where its sound part ends.
        position: u64,
        /// What is wrong there.
        what: String,
    },
    /// A certificate does not decide this block.
    #[error("height {height}: its certificate is for another block")]
    OtherValue {
        /// The height.
        height: Height,
    },
    /// A block was first built in a later round than it was decided in.
    #[error("height {height}: sealed in round {sealed}, but decided in round {decided}")]
    Rounds {
        /// The height.
        height: Height,
        /// The seal's round.
        sealed: Round,
        /// The certificate's round.
        decided: Round,
    },
    /// A certificate has no quorum, or a signature in it does not hold.
    #[error("height {height}: {cause}")]
    Certificate {
        /// The height.
        height: Height,
        /// What is wrong.
        cause: CertificateError,
    },
    /// A kept cosignature does not hold.
    #[error("cosignatures, byte {position}: {cause}")]
    Cosignature {
        /// Where the record begins.
        position: u64,
        /// What is wrong.
        cause: CosignatureError,
    },
    /// A validator signed a size that no block ends at.
    #[error(
        "cosignatures, byte {position}: {validator} signed {size} entries, where no block ends"
    )]
    NoBlockEnd {
        /// Where the record begins.
        position: u64,
        /// Who signed.
        validator: ParticipantName,
        /// The size.
        size: Size,
    },
    /// What is said of an inspection does not follow from its events.
    #[error("inspection {inspection} of {opener}: {what}; keep the log as evidence")]
    Inspection {
        /// Who opened it.
        opener: ParticipantName,
        /// Which one.
        inspection: InspectionHandle,
        /// What does not hold.
        what: &'static str,
    },
}

fn of_height(height: Height) -> String {
    format!(" (height {height})")
}

fn entries(first: Index, last: Index) -> String {
    if first == last {
        format!("entry {first}")
    } else {
        format!("entries {first} to {last}")
    }
}

impl Fault {
    /// The entry at which the fault shows, if it shows at one.
    pub(crate) const fn entry(&self) -> Option<Index> {
        match self {
            Self::Entry { index, .. }
            | Self::Decode { index, .. }
            | Self::Block { index, .. }
            | Self::Tile { first: index, .. }
            | Self::Older { first: index, .. }
            | Self::Trailing { last: index, .. }
            | Self::Unsealed { last: index, .. }
            | Self::Differs { index, .. }
            | Self::Oversize { first: index, .. } => Some(*index),
            Self::FirstSeal => Some(Index(0)),
            _ => None,
        }
    }

    /// The height at which the fault shows, if it shows at one.
    pub(crate) const fn height(&self) -> Option<Height> {
        match self {
            Self::Entry { height, .. }
            | Self::Decode { height, .. }
            | Self::Block { height, .. }
            | Self::Unsealed { height, .. }
            | Self::Oversize { height, .. }
            | Self::NoCertificate { height }
            | Self::OtherValue { height }
            | Self::Rounds { height, .. }
            | Self::Certificate { height, .. } => Some(*height),
            Self::FirstSeal => Some(Height(0)),
            _ => None,
        }
    }

    /// The file at which the fault shows, if it shows at one.
    pub(crate) fn file(&self) -> Option<&str> {
        match self {
            Self::Missing { path }
            | Self::TooLong { path, .. }
            | Self::Policy { path }
            | Self::Entry { path, .. }
            | Self::Trailing { path, .. }
            | Self::Tile { path, .. }
            | Self::Older { path, .. }
            | Self::OlderShape { path }
            | Self::Differs { path, .. }
            | Self::TileShape { path, .. } => Some(path),
            Self::Records { path, .. } => Some(path),
            Self::Genesis(_) => Some("genesis"),
            Self::Chain(_) | Self::ChainsPart { .. } => Some("policy-chain"),
            Self::Note(_) | Self::Distrust(_) | Self::Checkpoint { .. } => Some("checkpoint"),
            Self::NoCertificate { .. } | Self::OtherValue { .. } | Self::Certificate { .. } => {
                Some("certificates")
            }
            Self::Cosignature { .. } | Self::NoBlockEnd { .. } => Some("cosignatures"),
            _ => None,
        }
    }
}
