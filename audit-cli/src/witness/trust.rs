//! Which logs a witness knows, and whose signatures a checkpoint of theirs must have.

use medanchor_ledger::note::{KeyName, NoteKey, VerifierKey};
use medanchor_ledger::policy::{Policy, PolicyError};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

/// Origins, and the policies of each, a key given alone being one: a checkpoint must meet one of
/// them.
pub(super) type Trusted = BTreeMap<KeyName, Vec<Policy>>;

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
}

/// Reads what `--log` gave.
pub(super) fn read(given: &[String]) -> Result<Trusted, TrustError> {
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
            if !policies.contains(&policy) {
                policies.push(policy.clone());
            }
        }
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
