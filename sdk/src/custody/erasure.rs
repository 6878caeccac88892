//! The certificates of an erasure.
//!
//! What always holds: a certificate is sealed in the vault before what it names is destroyed, and
//! anchored only after.
//!
//! A certificate is a JSON document under a commitment of its own. The first says what the owner
//! destroyed, the second also which custodians have confirmed, with their words:
//!
//! ```json
//! {"certificate":"medanchor/erasure/1","network":"..","owner":"north-hospital","record":"..","versions":2,
//!  "reason":1,"time":"2026-02-20T01:00:00.000Z","destroyed":["vault-part","payload","shares"],
//!  "erased":"EVENT","custodians":{"1":["archive","bar"]},"confirmed":{"archive":"WORD IN HEX"}}
//! ```

use super::circle::Circle;
use super::words::Words;
use crate::error::SdkError;
use crate::identity::Identity;
use crate::import::time::instant;
use medanchor_ledger::event::{Destroyed, ErasureReason};
use medanchor_ledger::rules::Record;
use medanchor_ledger::{Commitment, EventId, RecordHandle};
use medanchor_vault::{PayloadError, VaultError};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The domain of handles under which certificates are kept.
const CERTIFICATE: &str = "erasure-certificate";

/// What a certificate says.
pub(super) struct Certified<'a> {
    pub(super) record: RecordHandle,
    pub(super) state: &'a Record,
    pub(super) reason: ErasureReason,
    pub(super) destroyed: Destroyed,
    pub(super) circles: &'a [Circle],
    /// The event that erased it, and who has confirmed since.
    pub(super) confirmed: Option<(EventId, &'a Words)>,
}

impl Certified<'_> {
    fn name(&self) -> String {
        let (version, reason) = (self.state.version, self.reason.code());
        let shares = self.confirmed.map_or("", |_| "/shares");
        format!("{}/{version}/{reason}{shares}", self.record)
    }

    fn to_json(&self, identity: &Identity) -> String {
        let names = |circle: &Circle| circle.names().map(ToString::to_string).collect();
        let circles = self.circles.iter();
        let custodians: BTreeMap<_, Vec<String>> = circles
            .map(|circle| (circle.epoch().to_string(), names(circle)))
            .collect();
        let mut document = json!({
            "certificate": "medanchor/erasure/1",
            "network": identity.network().to_string(),
            "owner": identity.participant().as_str(),
            "record": self.record.to_string(),
            "versions": self.state.version,
            "reason": self.reason.code(),
            "time": instant(identity.now()),
            "destroyed": words_of(self.destroyed),
            "custodians": custodians,
        });
        if let Some((event, words)) = self.confirmed {
            let words: Map<String, Json> = words
                .iter()
                .map(|(name, word)| (name.to_string(), hex::encode(&word.bytes).into()))
                .collect();
            document["erased"] = event.to_string().into();
            document["confirmed"] = words.into();
        }
        document.to_string()
    }
}

fn words_of(destroyed: Destroyed) -> Vec<&'static str> {
    let all = [
        (Destroyed::VAULT_PART, "vault-part"),
        (Destroyed::SHARES, "shares"),
        (Destroyed::EMERGENCY_WRAP, "emergency-wrap"),
        (Destroyed::PAYLOAD, "payload"),
    ];
    let there = all.into_iter().filter(|(bit, _)| destroyed.contains(*bit));
    there.map(|(_, word)| word).collect()
}

impl Identity {
    /// Seals a certificate, or finds the one that an earlier try sealed and that says the same but for
    /// the time; gives its commitment.
    pub(super) fn certify(&self, certified: &Certified<'_>) -> Result<Commitment, SdkError> {
        let wanted = certified.to_json(self);
        let mut place = 1;
        loop {
            let name = numbered(&certified.name(), place);
            let handle = RecordHandle::new(self.handle(CERTIFICATE, &name));
            let document = match self.vault().open_record(handle, 1) {
                Ok(document) if say_the_same(&document, wanted.as_bytes()) => document,
                Ok(_) => {
                    place += 1;
                    continue;
                }
                Err(error) if was_not_sealed(&error) => Zeroizing::new(wanted.into_bytes()),
                Err(error) => return Err(error.into()),
            };
            return Ok(self.keep(CERTIFICATE, &name, &document)?.commitment);
        }
    }

    /// The certificates of a record's erasure: what the commitments of its `record.erase` open to. Each
    /// can be shown to whoever asks, field by field.
    ///
    /// # Errors
    /// [`SdkError::Vault`].
    pub fn erasure_certificates(
        &self,
        record: RecordHandle,
        version: u32,
    ) -> Result<Vec<medanchor_vault::Disclosure>, SdkError> {
        let mut found = Vec::new();
        for reason in ErasureReason::ALL {
            for shares in ["", "/shares"] {
                let name = format!("{record}/{version}/{}{shares}", reason.code());
                self.show_certificates(&name, &mut found)?;
            }
        }
        Ok(found)
    }

    fn show_certificates(
        &self,
        name: &str,
        found: &mut Vec<medanchor_vault::Disclosure>,
    ) -> Result<(), SdkError> {
        for place in 1.. {
            let name = numbered(name, place);
            let handle = RecordHandle::new(self.handle(CERTIFICATE, &name));
            match self.vault().disclose(handle, 1, &[""], &[]) {
                Ok(shown) => found.push(shown),
                Err(error) if was_not_sealed(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The name of a certificate after others that say something else.
fn numbered(name: &str, place: u32) -> String {
    match place {
        1 => name.to_owned(),
        _ => format!("{name}/{place}"),
    }
}

/// Whether two certificates differ in their time alone.
fn say_the_same(one: &[u8], other: &[u8]) -> bool {
    let untimed = |bytes: &[u8]| {
        let mut document: Json = serde_json::from_slice(bytes).ok()?;
        document.as_object_mut()?.remove("time");
        Some(document)
    };
    untimed(one).is_some_and(|one| Some(one) == untimed(other))
}

/// Nothing, or a key without its payload, which is what a cut while it was sealed leaves.
const fn was_not_sealed(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::NoKey { .. } | VaultError::Payload(PayloadError::Missing { .. })
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::network_with;
    use medanchor_ledger::rules::{Anchored, Role};
    use medanchor_ledger::{ClassHandle, Index, Tag};
    use std::path::PathBuf;

    fn sealed_payloads(identity: &Identity) -> Vec<PathBuf> {
        let payloads = identity.folder().join("vault/payloads");
        let folders = std::fs::read_dir(payloads).unwrap();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().path()).collect()
    }

    /// The command was killed between the key of its certificate and the sealed document. Run again, it
    /// asked for the document to be restored, and the record was never erased on the ledger.
    #[test]
    fn a_certificate_that_was_cut_off_is_sealed_again() {
        let root = tempfile::tempdir().unwrap();
        network_with(root.path(), &[("north-hospital", Role::Hospital)]);
        let identity = Identity::open(&root.path().join("north-hospital")).unwrap();
        let state = Record {
            sealed: Anchored {
                event: EventId::new([1; 32]),
                index: Index(1),
            },
            superseded: None,
            version: 3,
            tag: Tag::new([1; 16]),
            class: ClassHandle::new([1; 16]),
            custody: None,
            erased: None,
        };
        let certified = Certified {
            record: RecordHandle::new([2; 16]),
            state: &state,
            reason: ErasureReason::Order,
            destroyed: Destroyed::new(Destroyed::VAULT_PART).unwrap(),
            circles: &[],
            confirmed: None,
        };
        identity.certify(&certified).unwrap();
        for file in sealed_payloads(&identity) {
            std::fs::remove_file(file).unwrap();
        }
        let commitment = identity.certify(&certified).unwrap();
        assert_eq!(
            identity.certify(&certified).unwrap(),
            commitment,
            "once is once"
        );
        // The record went to other custodians before the erasure was run again.
        let changed = Certified {
            destroyed: Destroyed::new(Destroyed::VAULT_PART | Destroyed::PAYLOAD).unwrap(),
            ..certified
        };
        let other = identity.certify(&changed).unwrap();
        assert_ne!(other, commitment, "it says what is so now");
        assert_eq!(identity.certify(&changed).unwrap(), other);
        assert_eq!(identity.certify(&certified).unwrap(), commitment);
        let mut all = identity.erasure_certificates(certified.record, 3).unwrap();
        assert_eq!(all.len(), 2, "both can be shown");
        all.pop().unwrap().verify(&other).unwrap();
        let shown = all.pop().unwrap().verify(&commitment).unwrap();
        assert_eq!(shown.value("/reason").unwrap().bytes(), b"4");
        assert_eq!(shown.value("/destroyed/0").unwrap().bytes(), b"vault-part");
    }
}
