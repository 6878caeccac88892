//! Which logs a witness knows, and whose signatures a checkpoint of theirs must have.

use super::args::WitnessArgs;
use crate::fault::Failure;
use crate::trust::{Trust, TrustArgs};
use medanchor_ledger::Size;
use medanchor_ledger::note::{KeyName, NoteKey, VerifierKey};
use medanchor_ledger::policy::{Policy, PolicyError, PolicyRange};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

/// Origins, and by whom each is trusted, a key given alone being a policy: a checkpoint must meet one
/// of them.
pub(super) type Trusted = BTreeMap<KeyName, Vec<Trust>>;

/// Why a log cannot be witnessed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrustError {
    #[error("{given} is neither a verifier key (type 0x01) nor a file that can be read: {cause}")]
    Neither {
        given: String,
        cause: std::io::Error,
    },
    #[error("{given} is no policy: {cause}")]
    Policy { given: String, cause: PolicyError },
    #[error("{given} names no log; give a policy with a log line, or a log's verifier key")]
    NoLog { given: String },
    #[error(
        "--log gives both a key and a policy of {origin}: the key alone would do, and the policy's quorum would not be asked for; give one of the two"
    )]
    KeyBesidePolicy { origin: KeyName },
    #[error(
        "--log and --genesis are both of {origin}: what --log gives would do for every size, and the policy of a size would not be asked for; give one of the two"
    )]
    LogBesideGenesis { origin: KeyName },
    #[error(transparent)]
    Network(#[from] Failure),
}

/// By whom the network of `--genesis` is trusted, if one was given.
pub(super) fn network(args: &WitnessArgs) -> Result<Option<Trust>, TrustError> {
    if args.genesis.is_none() {
        return Ok(None);
    }
    let given = TrustArgs {
        genesis: args.genesis.clone(),
        policy_chain: args.policy_chain.clone(),
        policy: None,
    };
    let trust = Trust::alone(&given.read()?).map_err(Failure::from)?;
    Ok(Some(trust))
}

/// Reads what `--log` gave, and adds the network.
pub(super) fn read(given: &[String], network: Option<Trust>) -> Result<Trusted, TrustError> {
    let mut trusted = Trusted::new();
    let mut alone = BTreeMap::new();
    for given in given {
        let (policy, is_key) = policy(given)?;
        let mut origins: Vec<_> = policy.logs().iter().map(VerifierKey::name).collect();
        origins.dedup();
        if origins.is_empty() {
            let given = given.clone();
            return Err(TrustError::NoLog { given });
        }
        for origin in origins {
            if *alone.entry(origin.clone()).or_insert(is_key) != is_key {
                let origin = origin.clone();
                return Err(TrustError::KeyBesidePolicy { origin });
            }
            let policies = trusted.entry(origin.clone()).or_default();
            let trust = Trust::Policy(PolicyRange::from(policy.clone(), Size(0)));
            if !policies.contains(&trust) {
                policies.push(trust);
            }
        }
    }
    let named = network.and_then(|trust| Some((trust.origin()?.clone(), trust)));
    if let Some((origin, trust)) = named {
        if trusted.contains_key(&origin) {
            return Err(TrustError::LogBesideGenesis { origin });
        }
        trusted.insert(origin, vec![trust]);
    }
    Ok(trusted)
}

/// The policy of one `--log`, and whether it was a key alone.
fn policy(given: &str) -> Result<(Policy, bool), TrustError> {
    let (source, is_key) = match given.parse::<VerifierKey>() {
        Ok(key) if matches!(key.key(), NoteKey::Ed25519(_)) => {
            (format!("log {key}\nquorum none\n").into_bytes(), true)
        }
        _ => {
            let neither = |cause| TrustError::Neither {
                given: given.to_owned(),
                cause,
            };
            let file = File::open(given).map_err(neither)?;
            let mut bytes = Vec::new();
            let mut file = file.take(Policy::MAX_BYTES as u64 + 1);
            file.read_to_end(&mut bytes).map_err(neither)?;
            (bytes, false)
        }
    };
    let policy = Policy::parse(&source).map_err(|cause| TrustError::Policy {
        given: given.to_owned(),
        cause,
    })?;
    Ok((policy, is_key))
}
