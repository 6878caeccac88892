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
use medanchor_vault::VaultError;
use medanchor_vault::custody::signed::MAX_MESSAGE;
use medanchor_vault::custody::{SharesDestroyed, Signed};
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
    /// Seals a certificate, or finds the one that an earlier try sealed; gives its commitment.
    pub(super) fn certify(&self, certified: &Certified<'_>) -> Result<Commitment, SdkError> {
        let name = certified.name();
        let handle = RecordHandle::new(self.handle(CERTIFICATE, &name));
        let document = match self.vault().open_record(handle, 1) {
            Ok(document) => document,
            Err(VaultError::NoKey { .. }) => Zeroizing::new(certified.to_json(self).into_bytes()),
            Err(error) => return Err(error.into()),
        };
        Ok(self.keep(CERTIFICATE, &name, &document)?.commitment)
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
                let handle = RecordHandle::new(self.handle(CERTIFICATE, &name));
                match self.vault().disclose(handle, 1, &[""], &[]) {
                    Ok(shown) => found.push(shown),
                    Err(VaultError::NoKey { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(found)
    }

    pub(super) fn words_path(&self, record: RecordHandle) -> PathBuf {
        self.folder().join("erasures").join(record.to_string())
    }
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
