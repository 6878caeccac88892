//! What an erasure leaves behind: certificates, and custodians' words that they destroyed their shares.
//!
//! What always holds: a certificate is sealed in the vault before what it names is destroyed, and
//! anchored only after; a custodian's word counts only if one of its keys signed it for this record,
//! this erasure and every version and epoch there was; words are kept until the end of time.
//!
//! ```text
//! FOLDER/erasures/RECORD/CUSTODIAN    the word of one custodian, as it was signed
//! ```
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
use crate::error::SdkError;
use crate::identity::Identity;
use crate::import::time::instant;
use medanchor_ledger::event::{Destroyed, ErasureReason};
use medanchor_ledger::rules::Record;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{Commitment, EventId, NetworkId, ParticipantName, RecordHandle};
use medanchor_vault::custody::signed::MAX_MESSAGE;
use medanchor_vault::custody::{SharesDestroyed, Signed};
use medanchor_vault::{PayloadError, VaultError};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The domain of handles under which certificates are kept.
const CERTIFICATE: &str = "erasure-certificate";

/// A custodian's word that counts.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) shares: u32,
    bytes: Vec<u8>,
}

/// What a word must be about to count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) network: NetworkId,
    pub(super) owner: &'a ParticipantName,
    pub(super) record: RecordHandle,
    /// First and last version.
    pub(super) versions: (u32, u32),
    /// The last epoch whose shares must be gone.
    pub(super) epoch: u32,
    /// The event that asks for it.
    pub(super) event: EventId,
}

impl Asked<'_> {
    /// The word of `custodian`, if it is about all this and one of its keys signed it.
    pub(super) fn word(
        &self,
        custodian: &ParticipantName,
        keys: &[PublicKey],
        bytes: &[u8],
    ) -> Result<Word, &'static str> {
        let signed: Signed<SharesDestroyed> =
            Signed::decode(bytes).map_err(|_| "its answer is none")?;
        let says = signed.says();
        let record = &says.record;
        let same = *record.owner.as_str() == *self.owner.as_str()
            && record.record.network == self.network
            && record.record.record == self.record
            && (says.first_version, record.record.version) == self.versions
            && says.custodian == *custodian
            && says.epoch >= self.epoch
            && says.event == self.event;
        if !same {
            return Err("it confirmed something else");
        }
        match keys.iter().any(|key| signed.verify(key).is_ok()) {
            true => Ok(Word {
                shares: says.shares,
                bytes: bytes.to_vec(),
            }),
            false => Err("it did not sign its word"),
        }
    }
}

/// The words of an erasure, by custodian.
pub(super) type Words = BTreeMap<ParticipantName, Word>;

/// Whether so many custodians of each epoch have confirmed that too few shares are left.
pub(super) fn are_enough(words: &Words, circles: &[Circle]) -> bool {
    let enough = |circle: &Circle| {
        let gone = circle.names().filter(|name| words.contains_key(*name));
        gone.count() > circle.names().count().saturating_sub(circle.threshold())
    };
    !circles.is_empty() && circles.iter().all(enough)
}

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

    pub(super) fn words_path(&self, record: RecordHandle) -> PathBuf {
        self.folder().join("erasures").join(record.to_string())
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

/// A word that was kept.
pub(super) fn read_word(
    folder: &Path,
    custodian: &ParticipantName,
) -> std::io::Result<Option<Vec<u8>>> {
    let limit = u64::try_from(MAX_MESSAGE).unwrap_or(u64::MAX);
    super::kept::read_bounded(&folder.join(custodian.as_str()), limit)
}

impl Word {
    /// Keeps it for good.
    pub(super) fn keep(&self, folder: &Path, custodian: &ParticipantName) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        super::kept::write_durably(&folder.join(custodian.as_str()), &self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::network_with;
    use medanchor_ledger::rules::{Anchored, Role};
    use medanchor_ledger::signature::SigningKey;
    use medanchor_ledger::{ClassHandle, Index, Tag};
    use medanchor_vault::RecordVersion;
    use medanchor_vault::custody::Custodied;

    fn name(text: &str) -> ParticipantName {
        text.parse().unwrap()
    }

    fn word() -> SharesDestroyed {
        SharesDestroyed {
            record: Custodied {
                owner: name("north-hospital"),
                record: RecordVersion {
                    network: NetworkId::new([1; 16]),
                    record: RecordHandle::new([2; 16]),
                    version: 3,
                },
            },
            first_version: 1,
            custodian: name("archive"),
            epoch: 2,
            event: EventId::new([4; 32]),
            shares: 5,
        }
    }

    /// What an owner makes of a word that was changed and signed.
    fn judged(change: impl FnOnce(&mut SharesDestroyed), key: u8) -> Result<u32, &'static str> {
        let (owner, key) = (name("north-hospital"), SigningKey::from_seed(&[key; 32]));
        let asked = Asked {
            network: NetworkId::new([1; 16]),
            owner: &owner,
            record: RecordHandle::new([2; 16]),
            versions: (1, 3),
            epoch: 2,
            event: EventId::new([4; 32]),
        };
        let mut says = word();
        change(&mut says);
        let bytes = Signed::new(says, |bytes| key.sign(bytes)).encode();
        let known = [9, 7].map(|seed| SigningKey::from_seed(&[seed; 32]).public_key());
        let word = asked.word(&name("archive"), &known, &bytes)?;
        Ok(word.shares)
    }

    #[test]
    fn a_word_counts_for_this_erasure_by_this_custodian_alone() {
        assert_eq!(judged(|_| {}, 7), Ok(5));
        assert_eq!(judged(|word| word.epoch = 3, 7), Ok(5), "later epochs, too");
        let changes: [fn(&mut SharesDestroyed); 8] = [
            |word| word.record.owner = name("south-hospital"),
            |word| word.record.record.network = NetworkId::new([2; 16]),
            |word| word.record.record.record = RecordHandle::new([3; 16]),
            |word| word.record.record.version = 2,
            |word| word.first_version = 2,
            |word| word.custodian = name("bar"),
            |word| word.epoch = 1,
            |word| word.event = EventId::new([5; 32]),
        ];
        for (place, change) in changes.into_iter().enumerate() {
            let refused = judged(change, 7);
            assert_eq!(refused, Err("it confirmed something else"), "{place}");
        }
        assert_eq!(judged(|_| {}, 8), Err("it did not sign its word"));
    }

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
