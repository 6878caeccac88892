//! How deep an audit goes.
//!
//! What always holds: each tier checks all that the one before it checks, and says in plain words
//! what it checks and what it leaves out.

use clap::ValueEnum;

/// How deep an audit goes, the shallowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Tier {
    /// Genesis, policy and checkpoint; every entry and every tile against the signed root.
    Hashes,
    /// Also every event's signatures, the chain of seals, certificates and cosignatures.
    Signatures,
    /// Also every rule and every state root: all that can be checked.
    Rules,
}

/// What only an audit of the whole log can say.
pub(crate) const WHOLE_TREE: &str = "every entry's hash stands in its tile, every hash of every tile was computed anew, and the root is the checkpoint's";

const OF_HASHES: [&str; 3] = [
    "genesis is the one encoding of a sound genesis, and the policy file is the one that follows from it",
    "the chain of policies holds from genesis on, and the checkpoint is signed by a log key of the policy of its size and cosigned by its quorum",
    WHOLE_TREE,
];
const OF_SIGNATURES: [&str; 3] = [
    "every event was strictly decoded, and its signatures hold under its signer's keys: those of genesis or proposed for it in an earlier block, or for a random output the one that the signer registered for its node in an earlier block",
    "every seal follows from the one before: height, time, place in the log, log root, hash, policies",
    "every height has a certificate of a quorum for this very block, of the seal's round or a later one",
];
const OF_RULES: [&str; 2] = [
    "every block was executed by the rules, over a state that was computed here",
    "every seal is what that execution gives, its proposer and its state root included",
];

impl Tier {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hashes => "hashes",
            Self::Signatures => "signatures",
            Self::Rules => "rules",
        }
    }

    /// What an audit of this tier checked once it has come to its end.
    pub(crate) fn checks(self) -> impl Iterator<Item = &'static str> {
        let signatures = OF_SIGNATURES
            .iter()
            .filter(move |_| self >= Self::Signatures);
        let rules = OF_RULES.iter().filter(move |_| self >= Self::Rules);
        OF_HASHES.iter().chain(signatures).chain(rules).copied()
    }

    /// What an audit of this tier never checks.
    pub(crate) const fn leaves_out(self) -> &'static [&'static str] {
        match self {
            Self::Hashes => &[
                "what the entries say, and the signatures in them",
                "the certificates of the blocks, and cosignatures beside the checkpoint's own",
                "the rules, the proposers and the state roots",
                "that no other log was signed for this network: `watch` and `consistency` compare logs",
            ],
            Self::Signatures => &[
                "that the events obey the rules (so neither who approved a key nor whether it was revoked), whose turn it was to propose, and the state roots in the seals",
                "that no other log was signed for this network: `watch` and `consistency` compare logs",
            ],
            Self::Rules => &[
                "that no other log was signed for this network: `watch` and `consistency` compare logs",
            ],
        }
    }
}
