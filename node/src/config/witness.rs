//! `[[witness]]`: outside witnesses, which the publisher's node feeds.

use super::name_text;
use medanchor_ledger::ParticipantName;
use medanchor_ledger::note::{NoteKey, VerifierKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The most witnesses: a checkpoint with all their cosignatures stays a note that others read.
const MOST: usize = 16;
/// The most keys of one witness.
const MOST_KEYS: usize = 4;
/// The shortest time between two requests to one witness, in milliseconds.
const SHORTEST: u64 = 10;

/// `[[witness]]`: an outside witness (C2SP `tlog-witness`) that this node asks to cosign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// What operators call it.
    #[serde(with = "name_text")]
    pub name: ParticipantName,
    /// Its submission prefix: `add-checkpoint` is posted below it.
    pub url: String,
    /// Its verifier keys (C2SP `signed-note`), of type 0x04; a cosignature by any of them counts.
    pub keys: Vec<String>,
    /// The shortest time between two requests.
    #[serde(default = "second")]
    pub interval_ms: u64,
}

const fn second() -> u64 {
    1_000
}

impl Witness {
    /// The verifier keys.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn keys(&self) -> Result<Vec<VerifierKey>, String> {
        let of = |text: &String| -> Result<VerifierKey, String> {
            let key: VerifierKey = text
                .parse()
                .map_err(|error| format!("witness {}: {text:?}: {error}", self.name))?;
            match key.key() {
                NoteKey::Cosigner(_) => Ok(key),
                _ => Err(format!(
                    "witness {}: {text:?} is no Ed25519 cosigner key (type 0x04), and this release reads no other; ask the witness for one",
                    self.name
                )),
            }
        };
        if !(1..=MOST_KEYS).contains(&self.keys.len()) {
            return Err(format!("witness {}: give 1 to {MOST_KEYS} keys", self.name));
        }
        self.keys.iter().map(of).collect()
    }

    /// The text of this entry.
    pub(super) fn documented(&self) -> String {
        format!(
            "\n[[witness]]\n# What status and metrics call it; its submission prefix; its verifier keys.\nname = \"{}\"\nurl = {}\nkeys = {}\n# The shortest time between two requests.\ninterval_ms = {}\n",
            self.name,
            toml::Value::from(self.url.as_str()),
            toml::Value::from(self.keys.clone()),
            self.interval_ms,
        )
    }
}

pub(super) fn check(witnesses: &[Witness]) -> Result<(), String> {
    if witnesses.len() > MOST {
        return Err(format!(
            "there are more than {MOST} [[witness]] entries; remove some"
        ));
    }
    let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for witness in witnesses {
        let name = &witness.name;
        if !names.insert(name) {
            return Err(format!("witness {name} is listed twice; keep one entry"));
        }
        if !["http://", "https://"]
            .iter()
            .any(|scheme| witness.url.starts_with(scheme))
        {
            return Err(format!(
                "witness {name}: url must begin with http:// or https://"
            ));
        }
        if witness.interval_ms < SHORTEST {
            return Err(format!("witness {name}: interval_ms is below {SHORTEST}"));
        }
        if !witness.keys()?.into_iter().all(|key| keys.insert(key)) {
            return Err(format!("witness {name}: a key is listed twice; keep one"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use medanchor_ledger::signature::SigningKey;

    fn key(kind: fn(medanchor_ledger::signature::PublicKey) -> NoteKey) -> String {
        let public = SigningKey::from_seed(&[7; 32]).public_key();
        let name = "witness.example/w1".parse().expect("a name");
        VerifierKey::new(name, kind(public)).to_string()
    }

    fn config() -> Config {
        let mut config = Config::new("a".parse().expect("a name"));
        config.witness.push(Witness {
            name: "w1".parse().expect("a name"),
            url: "https://witness.example/".into(),
            keys: vec![key(NoteKey::Cosigner)],
            interval_ms: 5_000,
        });
        config
    }

    #[test]
    fn a_witness_survives_the_documented_file() {
        let config = config();
        assert_eq!(Config::parse(&config.documented()).expect("parses"), config);
    }

    #[test]
    fn a_witness_that_cannot_be_fed_is_refused_by_name() {
        type Change = (&'static str, fn(&mut Witness));
        let changes: [Change; 5] = [
            ("url", |it| it.url = "witness.example".into()),
            ("1 to 4 keys", |it| it.keys.clear()),
            ("verifier key", |it| it.keys = vec!["abc".into()]),
            ("0x04", |it| it.keys = vec![key(NoteKey::Ed25519)]),
            ("interval_ms", |it| it.interval_ms = 0),
        ];
        for (what, change) in changes {
            let mut config = config();
            config.witness.iter_mut().for_each(change);
            let error = Config::parse(&config.documented()).expect_err(what);
            assert!(error.contains("w1") && error.contains(what), "{error}");
        }
        let mut twice = config();
        twice.witness.push(twice.witness[0].clone());
        let error = Config::parse(&twice.documented()).expect_err("twice");
        assert!(error.contains("listed twice"), "{error}");
    }
}
