//! Consents of the patient: by a guardian, by card, renewed, and their ends.

use super::people::{BASIS, GUARDIAN, GUARDIAN_ID, PATIENT, RECORD, bundle};
use super::{CLASS, Care, DAY, GUARDIAN_FILE, LastQuarter, OWNER, PHARMACY, VISITED, access};
use anyhow::{Context, Result};
use medanchor_ledger::{ConsentHandle, ParticipantName, RecordHandle, Time};
use medanchor_sdk::access_list::quarter_name;
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::{
    Approval, Consented, Context as _, DelegationApproval, GrantTicket, Identity, Mandate,
    NewConsent, NewDelegation, System,
};
use medanchor_vault::Epoch;
use std::sync::Arc;

const DELEGATION: &str = "guardian of care-patient-4711";
const BY_GUARDIAN: &str = "consent of Marchetti Lucia for care-patient-4711";
const RENEWED: &str = "consent of last quarter of care-patient-4711";

impl Care<'_> {
    /// The hospital drafts, the patient approves by card, the guardian consents; gives the reader's ticket.
    pub(super) fn appoint_a_guardian(&self) -> Result<GrantTicket> {
        let owner = self.desk.sdk(OWNER)?;
        let new = NewDelegation {
            name: DELEGATION,
            subject: PATIENT,
            delegate: GUARDIAN_ID,
            called: GUARDIAN,
            mandate: Mandate::GuardianOfAdult {
                until: owner.now().plus_millis(2 * DAY),
            },
            basis: BASIS,
            not_before: Time(0),
        };
        let draft = owner.draft_delegation(&new)?.to_text();
        let approval = self.desk.approves("mine", GUARDIAN_FILE, &draft)?;
        let approval = DelegationApproval::from_text(&approval)?;
        owner.anchor(owner.delegate_approved(&new, &approval)?.event)?;
        let granted = with_consent((BY_GUARDIAN, VISITED), owner.now(), |new| {
            Ok(owner.grant_as_delegate(DELEGATION, new)?)
        })?;
        owner.anchor(granted.event)?;
        granted.tickets.into_iter().next().context("a ticket")
    }

    /// The patient approves a consent by card.
    pub(super) fn consent(&self, at: &str, name: &str, reader: &str) -> Result<ConsentHandle> {
        let sdk = self.desk.sdk(at)?;
        let granted = self.approved(&sdk, (name, reader), sdk.now())?;
        sdk.anchor(granted.event)?;
        Ok(granted.consent)
    }

    /// With the approvals of its re-issues.
    fn approved(&self, identity: &Identity, names: (&str, &str), since: Time) -> Result<Consented> {
        with_consent(names, since, |new| {
            let draft = identity.draft_consent(new)?.to_text();
            let at = identity.participant().as_str();
            let folder = if at == OWNER { "mine" } else { at };
            let file = format!("approval of {}", new.not_after.0);
            let approvals = self.desk.approves(folder, &file, &draft)?;
            let approvals = Approval::list_from_text(&approvals)?;
            let (own, later) = approvals.split_first().context("no approval")?;
            identity.take_renewals(later)?;
            Ok(identity.grant_approved(new, own)?)
        })
    }

    /// What was consented to a quarter ago is renewed for this one; gives the ticket of the re-issue.
    pub(super) fn renew(&self) -> Result<GrantTicket> {
        let folder = self.desk.dir.join(OWNER).join("identity");
        let earlier = Identity::open_with(&folder, Arc::new(LastQuarter))?;
        let granted = self.approved(&earlier, (RENEWED, VISITED), LastQuarter.now())?;
        drop(earlier);
        // The event's own times are long over, but what it says is what was said in that quarter.
        let owner = self.desk.sdk(OWNER)?;
        owner.anchor(owner.sign(granted.event.body().clone())?)?;
        drop(owner);
        self.desk.says_at(OWNER, &["consent", "renew"], &[])?;
        let quarter = quarter_name(Epoch::of(System.now()));
        let name = format!("{}.{quarter}.1.{VISITED}.ticket", granted.consent);
        let ticket = std::fs::read_to_string(folder.join("tickets").join(name))?;
        Ok(GrantTicket::from_text(ticket.trim())?)
    }

    /// The patient ends consents at one desk, one after the other.
    pub(super) fn end_by_card(&self, consents: &[(&str, ConsentHandle)]) -> Result<()> {
        for (institution, consent) in consents {
            let (out, consent) = (
                self.desk.path(&format!("end-at-{institution}")),
                consent.to_string(),
            );
            let what = ["--institution", institution, "--consent", &consent];
            self.desk
                .with_card("end", &[&what[..], &["--out", &out]].concat())?;
            self.desk
                .says_at(PHARMACY, &["patient", "anchor-end"], &["--end", &out])?;
        }
        Ok(())
    }

    /// What rested on it is denied from then on.
    pub(super) fn end_the_delegation(
        &self,
        ticket: &GrantTicket,
        record: RecordHandle,
    ) -> Result<()> {
        let owner = self.desk.sdk(OWNER)?;
        owner.anchor(owner.revoke(DELEGATION)?)?;
        let reader = self.desk.sdk(VISITED)?;
        let asked = reader.request_access(&access("too late for care-staff-0", ticket, record))?;
        reader.anchor(asked.event)?;
        Ok(())
    }
}

/// What a consent to one hospital grants until tomorrow, of records that were sealed since then.
fn with_consent(
    (name, reader): (&str, &str),
    since: Time,
    grant: impl FnOnce(&NewConsent<'_>) -> Result<Consented>,
) -> Result<Consented> {
    grant(&NewConsent {
        name,
        root: None,
        subject: PATIENT,
        grantees: &[reader.parse::<ParticipantName>()?.into()],
        purposes: &["TREAT"],
        classes: &[CLASS],
        records_since: since,
        not_before: Time(0),
        not_after: System.now().plus_millis(DAY),
        records: &[(RECORD, CLASS)],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: bundle().to_string().as_bytes(),
    })
}
