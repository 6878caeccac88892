//! The institution's side: which key it seals and grants with for a patient.
//!
//! What always holds: once a patient has brought a key, records are sealed under that key's tags, and
//! consents and delegations are granted with the patient's approval only, but those that rest on a
//! delegation that the patient approved; the key that the institution holds is never
//! used for that patient again. A brought key is kept sealed in the vault, an earlier one beside a later.

use super::{Approval, BroughtKey, DelegationApproval};
use crate::access_list::KeyHolder;
use crate::error::SdkError;
use crate::identity::Identity;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{ConsentHandle, RecordHandle};
use medanchor_vault::VaultError;
use medanchor_vault::secret::SubjectKey;
use zeroize::Zeroizing;

/// The domain of handles under which brought keys are kept; their versions count the patient's keys.
const BROUGHT: &str = "subject-key";
/// The domain of handles under which it is kept whose key a brought one is.
const BROUGHT_BY: &str = "subject-of-key";
/// The domain of handles under which approvals are kept.
const APPROVAL: &str = "consent-approval";
/// The domain of handles under which approvals of delegations are kept.
const DELEGATED: &str = "delegation-approval";
/// The most keys that one patient may bring in turn, and the most approvals of one consent.
const MAX_VERSIONS: u32 = 1_000;

/// What is kept, opened.
type Kept = Zeroizing<Vec<u8>>;

/// Where something that was to be kept stands among its versions.
enum Place {
    Newest,
    Earlier,
}

/// With what key an institution seals for a patient.
pub struct SubjectKeys {
    /// The key whose tags records are sealed under.
    pub key: SubjectKey,
    /// The key that approves the patient's consents; none if the patient has brought no key, and then
    /// the institution holds the key above and could use it alone.
    pub approver: Option<PublicKey>,
}

impl SubjectKeys {
    /// Who holds the key with which consents are given.
    #[must_use]
    pub const fn holder(&self) -> KeyHolder {
        match self.approver {
            Some(_) => KeyHolder::Subject,
            None => KeyHolder::Institution,
        }
    }
}

impl Identity {
    /// Keeps the key that a patient brought. From then on records of this patient are sealed under it,
    /// and consents take the patient's approval. What was sealed before stays under the tags it has. A
    /// later key, such as that of a new card, takes the place of an earlier one; bringing the newest
    /// again changes nothing.
    ///
    /// # Errors
    /// [`SdkError`] when the key is for another network or institution, is another patient's here, was
    /// replaced by a later one, or cannot be kept; run it again then.
    pub fn take_subject_key(&self, subject: &str, brought: &BroughtKey) -> Result<(), SdkError> {
        if brought.network() != self.network() {
            return Err(SdkError::OtherNetwork {
                found: brought.network(),
                own: self.network(),
            });
        }
        if brought.institution() != self.participant() {
            return Err(SdkError::NotForUs {
                what: "key",
                own: self.participant().clone(),
            });
        }
        let handle = self.brought_handle(subject);
        self.keep_whose(brought, handle)?;
        match self.keep_next(handle, &brought.encode())? {
            Place::Newest => Ok(()),
            Place::Earlier => Err(SdkError::SubjectKey(
                "was replaced by a later one; have the patient bring that",
            )),
        }
    }

    /// Keeps whose key it is, before it is anybody's: whoever has the card lists and approves for the one
    /// patient that it was brought for.
    fn keep_whose(&self, brought: &BroughtKey, subject: RecordHandle) -> Result<(), SdkError> {
        let handle = self.whose_handle(brought.approver());
        match self.newest(handle)? {
            Some((_, known)) if *known != *subject.as_bytes() => Err(SdkError::SubjectKey(
                "was brought for another patient; check the patient, or draw another card",
            )),
            _ => self.keep_next(handle, subject.as_bytes()).map(drop),
        }
    }

    /// Keeps `bytes` as the next version under a handle, unless a version has them already.
    fn keep_next(&self, handle: RecordHandle, bytes: &[u8]) -> Result<Place, SdkError> {
        let mut found = None;
        for version in 1..=MAX_VERSIONS {
            match self.vault().open_record(handle, version) {
                Ok(kept) => found = found.max((*kept == *bytes).then_some(version)),
                // A power cut may have kept no more than this one's own wrapping key.
                Err(error) if is_absent(&error) => {
                    if let Some(found) = found {
                        let newest = found + 1 == version;
                        return Ok(if newest {
                            Place::Newest
                        } else {
                            Place::Earlier
                        });
                    }
                    self.vault().seal_opaque(handle, version, bytes)?;
                    return Ok(Place::Newest);
                }
                Err(other) => return Err(other.into()),
            }
        }
        Err(SdkError::SubjectKey("is one too many; tell the operator"))
    }

    /// The newest version under a handle, and its number. Of the last one a cut may have left no more than its
    /// wrapping key: then it was never taken, and the one before it is the newest. That one was whole when
    /// the last was begun.
    fn newest(&self, handle: RecordHandle) -> Result<Option<(u32, Kept)>, SdkError> {
        let mut versions = self.vault().versions(handle).into_iter().rev();
        let Some(last) = versions.next() else {
            return Ok(None);
        };
        match (self.vault().open_record(handle, last), versions.next()) {
            (Err(error), before) if is_absent(&error) => match before {
                Some(before) => Ok(Some((before, self.vault().open_record(handle, before)?))),
                None => Ok(None),
            },
            (opened, _) => Ok(Some((last, opened?))),
        }
    }

    /// All versions under a handle, the newest last.
    fn kept(&self, handle: RecordHandle) -> Result<Vec<Kept>, SdkError> {
        let Some((newest, last)) = self.newest(handle)? else {
            return Ok(Vec::new());
        };
        let earlier = (1..newest).map(|version| self.vault().open_record(handle, version));
        let mut all = earlier.collect::<Result<Vec<_>, _>>()?;
        all.push(last);
        Ok(all)
    }

    /// The key with which this institution seals for a patient now.
    ///
    /// # Errors
    /// [`SdkError`] when a brought key is there and cannot be read: the institution's own is never used
    /// in its place.
    pub fn subject_keys(&self, subject: &str) -> Result<SubjectKeys, SdkError> {
        match self.newest(self.brought_handle(subject))? {
            Some((_, kept)) => brought(&kept),
            None => Ok(self.held_subject_keys(subject)),
        }
    }

    /// Every key under which records of a patient may have been sealed here: the institution's own, and all
    /// that the patient has brought in turn.
    ///
    /// # Errors
    /// [`SdkError`] when one of them cannot be read.
    pub fn all_subject_keys(&self, subject: &str) -> Result<Vec<SubjectKeys>, SdkError> {
        let mut all = vec![self.held_subject_keys(subject)];
        for kept in self.kept(self.brought_handle(subject))? {
            all.push(brought(&kept)?);
        }
        Ok(all)
    }

    /// The key that this institution holds for a patient, whether or not the patient has brought one
    /// since: what was sealed before stands under its tags.
    #[must_use]
    pub fn held_subject_keys(&self, subject: &str) -> SubjectKeys {
        SubjectKeys {
            key: self.vault().held_subject_key(subject),
            approver: None,
        }
    }

    /// The patient's approvals of a consent of this institution, to be shown to whoever asks whether the
    /// patient gave it. One that was not granted in the end approves nothing that is on the ledger.
    ///
    /// # Errors
    /// [`SdkError`] when one is there and cannot be read.
    pub fn approvals(&self, consent: ConsentHandle) -> Result<Vec<Approval>, SdkError> {
        let kept = self.kept(self.approval_handle(consent))?;
        let read = kept.iter().map(|one| Approval::decode(one));
        Ok(read.collect::<Result<_, _>>()?)
    }

    /// Keeps approvals of re-issues, which the patient gave with that of the consent or after it, until
    /// their quarters come.
    ///
    /// # Errors
    /// [`SdkError::Consent`] when one is of another institution, or by a key that no patient brought here.
    pub fn take_renewals(&self, approvals: &[Approval]) -> Result<(), SdkError> {
        for approval in approvals {
            let own = approval.is_of(self.network(), self.participant());
            if !own
                || self
                    .newest(self.whose_handle(approval.approver()))?
                    .is_none()
            {
                return Err(SdkError::Consent(
                    "was approved for another institution, or by a key that no patient brought here",
                ));
            }
        }
        let mut all = approvals.iter();
        all.try_for_each(|approval| self.keep_approval(approval))
    }

    pub(crate) fn keep_approval(&self, approval: &Approval) -> Result<(), SdkError> {
        let handle = self.approval_handle(approval.consent());
        self.keep_next(handle, &approval.encode()).map(drop)
    }

    /// The patient's approvals of a delegation of this institution, as [`Identity::approvals`] of a consent.
    ///
    /// # Errors
    /// [`SdkError`] when one is there and cannot be read.
    pub fn delegation_approvals(
        &self,
        delegation: ConsentHandle,
    ) -> Result<Vec<DelegationApproval>, SdkError> {
        let kept = self.kept(self.delegated_handle(delegation))?;
        let read = kept.iter().map(|one| DelegationApproval::decode(one));
        Ok(read.collect::<Result<_, _>>()?)
    }

    pub(crate) fn keep_delegation_approval(
        &self,
        approval: &DelegationApproval,
    ) -> Result<(), SdkError> {
        let handle = self.delegated_handle(approval.delegation());
        self.keep_next(handle, &approval.encode()).map(drop)
    }

    fn whose_handle(&self, approver: &PublicKey) -> RecordHandle {
        let name = hex::encode(approver.as_bytes());
        RecordHandle::new(self.handle(BROUGHT_BY, &name))
    }

    fn brought_handle(&self, subject: &str) -> RecordHandle {
        RecordHandle::new(self.handle(BROUGHT, subject))
    }

    fn approval_handle(&self, consent: ConsentHandle) -> RecordHandle {
        RecordHandle::new(self.handle(APPROVAL, &consent.to_string()))
    }

    fn delegated_handle(&self, delegation: ConsentHandle) -> RecordHandle {
        RecordHandle::new(self.handle(DELEGATED, &delegation.to_string()))
    }
}

fn brought(kept: &[u8]) -> Result<SubjectKeys, SdkError> {
    let (key, approver) = BroughtKey::decode(kept)?.into_parts();
    Ok(SubjectKeys {
        key,
        approver: Some(approver),
    })
}

/// Whether nothing, or no more than a wrapping key, is kept.
fn is_absent(error: &VaultError) -> bool {
    matches!(error, VaultError::NoKey { .. }) || error.is_missing_payload()
}
