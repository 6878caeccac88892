//! The consents of an institution that run on, kept at home until they are over: what is needed to re-issue
//! one, sealed, in a folder of the last quarter that it covers.
//!
//! What always holds: the names say no more than the ledger does; what is in a file only this vault opens; a
//! consent that is re-issued moves to the folder of the next quarter by one renaming, and one that was moved
//! twice, or not at all, for a power cut, is re-issued once, because the ledger has each re-issue once; what one
//! call kept, no later call of the same name in other words takes away.
//!
//! ```text
//! FOLDER/consents/2026-Q4/CONSENT    nonce (12 bytes) || AES-256-GCM(key of the consent, nonce, what is kept)
//! what is kept = [ { 1: the patient, 2: the consent in words, as a draft, 3: whether a delegate granted it,
//!                    4: the handle under which its document is sealed }, ... ], 16 at most
//! ```
//!
//! The key is a seed of the vault for this consent; network and consent are authenticated beside it.

use crate::access_list::quarter_name;
use crate::context::random;
use crate::durable::{self, ASIDE};
use crate::error::SdkError;
use crate::identity::{Identity, IdentityError};
use crate::subject::{ConsentDraft, DRAFT_MAX, Words};
use crate::token::HandoverError;
use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_ledger::{ConsentHandle, RecordHandle};
use medanchor_vault::Epoch;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

const FOLDER: &str = "consents";
const DOMAIN: &str = "running-consent";
/// The longest id of a patient, in bytes.
const MAX_SUBJECT: usize = 4 << 10;
const MAX_FILE: u64 = 512 << 10;
/// In how many words one consent is kept. An application that grants it once more, after a crash say, may say
/// another time, and which words the ledger has is known only when it is asked.
const MAX_KEPT: usize = 16;
/// Two calls that keep one consent must not take what the other kept.
static KEEPING: Mutex<()> = Mutex::new(());

/// What is kept of a consent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(in crate::domain) subject: String,
    pub(in crate::domain) draft: ConsentDraft,
    pub(in crate::domain) delegated: bool,
    pub(in crate::domain) document: RecordHandle,
}

/// Where a consent is kept: under the last quarter that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunningConsent {
    /// The last quarter that it, or its last re-issue, covers.
    pub covers: Epoch,
    /// What the ledger calls it.
    pub consent: ConsentHandle,
}

impl Kept {
    pub(super) const fn words(&self) -> &Words {
        self.draft.words()
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(4);
        writer.key(1).text(&self.subject);
        writer.key(2).bytes(&self.draft.encode());
        writer.key(3).bool(self.delegated);
        writer.key(4).bytes(self.document.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, HandoverError> {
        reader.map(4)?;
        Ok(Self {
            subject: reader.key(1)?.text(MAX_SUBJECT)?.to_owned(),
            draft: ConsentDraft::decode(reader.key(2)?.bytes(DRAFT_MAX)?)?,
            delegated: reader.key(3)?.bool()?,
            document: RecordHandle::new(reader.key(4)?.fixed()?),
        })
    }
}

fn encode(all: &[Kept]) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::with_capacity(1024);
    writer.array(all.len());
    all.iter().for_each(|one| one.write(&mut writer));
    Zeroizing::new(writer.into_bytes())
}

fn decode(bytes: &[u8]) -> Result<Vec<Kept>, HandoverError> {
    let mut reader = Reader::new(bytes);
    let count = reader.array(1..=MAX_KEPT)?;
    let all = (0..count).map(|_| Kept::read(&mut reader));
    let all = all.collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(all)
}

fn io(path: &Path) -> impl FnOnce(Error) -> SdkError {
    |source| IdentityError::io(path, source).into()
}

impl Identity {
    /// Keeps a consent that holds in a quarter after its last. What earlier calls kept of it stays beside it: the
    /// ledger has the words of one of them.
    pub(in crate::domain) fn keep_running(&self, kept: &Kept) -> Result<(), SdkError> {
        let words = kept.words();
        if words.later_quarters().next().is_none() {
            return Ok(());
        }
        if kept.subject.len() > MAX_SUBJECT {
            return Err(SdkError::Consent("is of a patient whose id is too long"));
        }
        let at = RunningConsent {
            covers: words.last,
            consent: words.consent,
        };
        let _alone = KEEPING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.kept_running(&at)?.unwrap_or_default();
        if all.contains(kept) {
            return Ok(());
        }
        if all.len() == MAX_KEPT {
            // The ledger most likely has the first, which was posted before all others, or one of the newest.
            all.remove(1);
        }
        all.push(kept.clone());
        let path = self.running_path(&at);
        let sealed = self.seal_running(&at.consent, &encode(&all))?;
        durable::write(&path, &sealed).map_err(io(&path))
    }

    /// What is kept of a consent, the earliest call's words first; none if it is not there any more.
    pub(super) fn kept_running(&self, at: &RunningConsent) -> Result<Option<Vec<Kept>>, SdkError> {
        let path = self.running_path(at);
        let sealed = durable::read_bounded(&path, MAX_FILE).map_err(io(&path))?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let opened = self.open_running(&at.consent, &sealed);
        let kept = opened.and_then(|opened| decode(&opened).ok());
        let what = "a consent of this vault";
        let of_it = |all: &Vec<Kept>| all.iter().all(|one| one.words().consent == at.consent);
        let damaged = || SdkError::Identity(IdentityError::Content { path, what });
        kept.filter(of_it).ok_or_else(damaged).map(Some)
    }

    /// The consents that are kept under quarters before this one, those of the earliest first.
    pub(super) fn running_before(&self, quarter: Epoch) -> Result<Vec<RunningConsent>, SdkError> {
        let mut all = Vec::new();
        let quarters = self.running_quarters()?.into_iter();
        for covers in quarters.filter(|covers| *covers < quarter) {
            let names = names(&self.running_folder(covers))?;
            let consents = names.iter().filter_map(|name| name.parse().ok());
            all.extend(consents.map(|consent| RunningConsent { covers, consent }));
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Where one consent is kept.
    pub(super) fn running(&self, consent: ConsentHandle) -> Result<Vec<RunningConsent>, SdkError> {
        let all = self.running_quarters()?.into_iter();
        let all = all.map(|covers| RunningConsent { covers, consent });
        Ok(all.filter(|at| self.running_path(at).exists()).collect())
    }

    /// Notes that a consent is covered up to a later quarter.
    pub(super) fn move_running(&self, from: &RunningConsent, to: Epoch) -> Result<(), SdkError> {
        let now = RunningConsent {
            covers: to,
            ..*from
        };
        let (from, to) = (self.running_path(from), self.running_path(&now));
        let folder = self.running_folder(now.covers);
        durable::make_folder(&folder).map_err(io(&folder))?;
        match durable::rename(&from, &to) {
            // Moved before a power cut that left it where it was, too, or by another call.
            Err(error) if error.kind() == ErrorKind::NotFound && to.is_file() => Ok(()),
            moved => moved.map_err(io(&to)),
        }
    }

    /// Forgets a consent that is over.
    pub(super) fn forget_running(&self, at: &RunningConsent) -> Result<(), SdkError> {
        let path = self.running_path(at);
        durable::remove_file(&path).map_err(io(&path))
    }

    fn running_quarters(&self) -> Result<Vec<Epoch>, SdkError> {
        let names = names(&self.folder().join(FOLDER))?;
        Ok(names.iter().filter_map(|name| quarter_of(name)).collect())
    }

    fn running_folder(&self, covers: Epoch) -> PathBuf {
        self.folder().join(FOLDER).join(quarter_name(covers))
    }

    fn running_path(&self, at: &RunningConsent) -> PathBuf {
        self.running_folder(at.covers).join(at.consent.to_string())
    }

    fn seal_running(&self, consent: &ConsentHandle, kept: &[u8]) -> Result<Vec<u8>, SdkError> {
        let nonce: [u8; NONCE_LEN] = random(self.context().as_ref())?;
        let mut sealed = Zeroizing::new(kept.to_vec());
        let (key, unique) = (
            self.running_key(consent),
            Nonce::assume_unique_for_key(nonce),
        );
        let aad = self.running_aad(consent);
        let tag = key.seal_in_place_separate_tag(unique, aad, &mut sealed);
        // AES-GCM refuses only what is longer than 64 GiB.
        let tag = tag.map_err(|_| SdkError::Consent("is too long to be kept"))?;
        Ok([&nonce[..], &sealed, tag.as_ref()].concat())
    }

    fn open_running(&self, consent: &ConsentHandle, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let (key, nonce) = (
            self.running_key(consent),
            Nonce::assume_unique_for_key(*nonce),
        );
        let aad = self.running_aad(consent);
        let length = key.open_in_place(nonce, aad, &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }

    fn running_key(&self, consent: &ConsentHandle) -> LessSafeKey {
        let seed = self.seed(DOMAIN, &consent.to_string());
        let key = UnboundKey::new(&AES_256_GCM, seed.as_slice());
        LessSafeKey::new(key.expect("an AES-256 key is 32 bytes"))
    }

    fn running_aad(&self, consent: &ConsentHandle) -> Aad<Vec<u8>> {
        let (network, domain) = (self.network(), b"medanchor/running-consent/v1");
        Aad::from([&domain[..], network.as_bytes(), consent.as_bytes()].concat())
    }
}

/// What stands in a folder, but what a power cut left of one that was being written; nothing if it is not there.
fn names(folder: &Path) -> Result<Vec<String>, SdkError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io(folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(io(folder))?.file_name();
        let name = name.to_string_lossy().into_owned();
        if !name.ends_with(&format!(".{ASIDE}")) {
            names.push(name);
        }
    }
    Ok(names)
}

/// What [`quarter_name`] names.
fn quarter_of(name: &str) -> Option<Epoch> {
    let (year, quarter) = name.split_once("-Q")?;
    let (year, quarter): (u32, u32) = (year.parse().ok()?, quarter.parse().ok()?);
    let years = year.checked_sub(1970)?.checked_mul(4)?;
    let epoch = Epoch(years.checked_add(quarter.checked_sub(1)?)?);
    (quarter_name(epoch) == name).then_some(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarters_name_reads_back_and_no_other_text_does() {
        for epoch in (0..400).map(Epoch) {
            assert_eq!(quarter_of(&quarter_name(epoch)), Some(epoch));
        }
        for wrong in [
            "2026-Q0", "2026-Q5", "02026-Q1", "2026", "1969-Q4", "2026-Q01",
        ] {
            assert_eq!(quarter_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_kept_has_one_encoding() {
        let text = include_str!("../../../../vectors/handover/consent.txt").trim_end();
        let draft = ConsentDraft::from_text(text).unwrap();
        let kept = Kept {
            subject: "Patient/1".into(),
            draft: draft.clone(),
            delegated: true,
            document: RecordHandle::new([9; 16]),
        };
        let bytes = encode(std::slice::from_ref(&kept));
        let length = u8::try_from(draft.encode().len()).unwrap();
        let golden: [&[u8]; 6] = [
            b"\x81\xa4\x01\x69Patient/1",
            &[0x02, 0x58, length],
            &draft.encode(),
            b"\x03\xf5",
            b"\x04\x50",
            &[9; 16],
        ];
        assert_eq!(bytes.as_slice(), golden.concat());
        assert!(decode(&bytes).unwrap() == [kept.clone()]);
        assert!((0..bytes.len()).all(|length| decode(&bytes[..length]).is_err()));
        assert!(decode(b"\x80").is_err(), "nothing is kept");
        let most = vec![kept.clone(); MAX_KEPT];
        assert!(decode(&encode(&most)).is_ok());
        assert!(decode(&encode(&vec![kept; MAX_KEPT + 1])).is_err());
        assert!(decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}
