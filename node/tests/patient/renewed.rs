//! Consents that were granted in the quarter before: `medanchor vault serve` renews them by itself, `medanchor
//! consent renew` says which wait for their patients' cards, and the patient's list shows one consent.

use super::*;
use medanchor_ledger::ConsentHandle;
use medanchor_ledger::rules::{Consent, StateValue};
use medanchor_sdk::access_list::quarter_name;
use medanchor_sdk::context::NoRandomness;
use medanchor_sdk::{Consented, DenialReason, ParticipantName, ProvedConsent, Renewing};
use medanchor_vault::Epoch;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Instant;

/// A clock that stands on the day before this quarter began.
struct LastQuarter;

impl Context for LastQuarter {
    fn now(&self) -> Time {
        Time(Epoch::of(System.now()).begin().0 - DAY)
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        System.fill(bytes)
    }

    fn pause(&self, length: Duration) {
        System.pause(length);
    }
}

/// A service that is killed when the test is over.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl City {
    fn sdk(&self) -> Sdk {
        let identity = Identity::open(&self.home.join("identity")).unwrap();
        Sdk::new(identity, [self.url.clone()]).unwrap()
    }

    /// Grants for a year what last quarter was drafted, as `grant` does it, and anchors that now.
    fn granted(&self, grant: impl FnOnce(&Identity, &NewConsent<'_>) -> Consented) -> Consented {
        let folder = self.home.join("identity");
        let identity = Identity::open_with(&folder, Arc::new(LastQuarter)).unwrap();
        let grantees: [Grantee; 1] = [identity.participant().clone().into()];
        let consented = grant(
            &identity,
            &NewConsent {
                records_since: LastQuarter.now(),
                not_after: Time(System.now().0 + 200 * DAY),
                records: &[],
                ..consent_to(&grantees)
            },
        );
        drop(identity);
        let sdk = self.sdk();
        let body = consented.event.body().clone();
        sdk.anchor(sdk.sign(body).unwrap()).unwrap();
        consented
    }

    /// Signs the re-issue of a consent for this quarter, and is killed before a node has it.
    fn cut_off(&self, of: ConsentHandle) -> ConsentHandle {
        let sdk = self.sdk();
        let mut due = sdk.renewals_due().unwrap();
        due.retain(|one| one.consent == of);
        let ledger = |consent: &ConsentHandle| Ok::<_, SdkError>(proved(&sdk, consent));
        let judged = sdk.renew_consent(&due[0], ledger).unwrap();
        let Renewing::Stands { mut renewals, .. } = judged else {
            panic!("it stands");
        };
        let renewal = renewals.remove(0);
        drop(sdk);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let nobody = format!("http://{}", port.unwrap());
        let identity = Identity::open(&self.home.join("identity")).unwrap();
        let sdk = Sdk::new(identity, [nobody]).unwrap();
        sdk.anchor(renewal.event.unwrap()).unwrap_err();
        renewal.consent
    }

    fn serve(&self) -> Running {
        let home = ["--home", text(&self.home)];
        let init = ["vault", "init", "--listen", "127.0.0.1:0"];
        shown(&medanchor(
            &[&init[..], &home, &["--node", &self.url]].concat(),
        ));
        let mut command = Command::new(binary());
        let command = command.args(["vault", "serve"]).args(home);
        let quiet = command.stdin(Stdio::null()).stderr(Stdio::null());
        Running(quiet.spawn().unwrap())
    }

    fn renew(&self, more: &[&str]) -> Output {
        let head = ["consent", "renew", "--home", text(&self.home)];
        medanchor(&[&head[..], &["--node", &self.url], more].concat())
    }

    /// The ticket of a re-issue for the quarter that runs, once it is there.
    fn ticket(&self, of: &Consented) -> GrantTicket {
        let quarter = quarter_name(Epoch::of(System.now()));
        let name = format!("{}.{quarter}.1.north-hospital.ticket", of.consent);
        let path = self.home.join("identity/tickets").join(name);
        let began = Instant::now();
        while !path.exists() {
            assert!(began.elapsed() < PATIENCE, "no ticket was written");
            std::thread::sleep(Duration::from_millis(20));
        }
        let ticket = std::fs::read_to_string(path).unwrap();
        GrantTicket::from_text(ticket.trim()).unwrap()
    }
}

/// What the ledger has of a consent.
fn proved(sdk: &Sdk, consent: &ConsentHandle) -> ProvedConsent {
    let key = Consent::key(sdk.participant(), consent);
    let found = sdk.client().state(&key, None).unwrap();
    let value = found.proved().value.as_deref();
    ProvedConsent {
        consent: value.map(|value| Consent::decode(value).unwrap()),
        time: found.proved().time,
    }
}

/// What is decided on a request.
fn decided(sdk: &Sdk, ticket: &GrantTicket, record: RecordHandle, name: &str) -> Decision {
    let asked = sdk.request_access(&NewAccess {
        name,
        ticket,
        record,
        purpose: "TREAT",
        actor: "Dr Li",
        reason: "ward round",
    });
    let asked = asked.unwrap();
    sdk.anchor(asked.event).unwrap();
    let owner: &ParticipantName = sdk.participant();
    let decision = sdk.client().unproven_decision(owner, &asked.request);
    decision.unwrap().unwrap()
}

#[test]
fn a_running_service_renews_what_was_granted_in_the_quarter_before() {
    let city = City::start();
    let consented = city.granted(|identity, new| identity.grant(new).unwrap());
    let sdk = city.sdk();
    let record = sealed(&sdk);
    let first = decided(&sdk, &consented.tickets[0], record, "before");
    assert_eq!(first, Decision::Denied(DenialReason::Tag));
    drop(sdk);

    let service = city.serve();
    let ticket = city.ticket(&consented);
    drop(service);
    let sdk = city.sdk();
    assert_eq!(decided(&sdk, &ticket, record, "after"), Decision::Permitted);
    drop(sdk);
    let again = shown(&city.renew(&[]));
    assert!(
        again.contains("0 renewed, 0 wait for their patients, 0 not renewed"),
        "{again}"
    );

    let page = listed(&city.history(&["--quarters", "3"]));
    let whole = format!("consent {}, from", consented.consent);
    assert_eq!(page.matches(", from 20").count(), 1, "{page}");
    assert!(
        page.contains(&whole) && page.contains("; renewed for 20"),
        "{page}"
    );
}

/// The re-issue of a consent that continues another hangs on that one, and is revoked with it all the same.
#[test]
fn a_consent_that_continues_another_is_revoked_with_its_renewal_and_alone() {
    let city = City::start();
    let root = city.granted(|identity, new| {
        let first = NewConsent {
            name: "first",
            ..*new
        };
        identity.grant(&first).unwrap()
    });
    let consented = city.granted(|identity, new| {
        let below = NewConsent {
            root: Some("first"),
            not_after: Time(new.not_after.0 - DAY),
            ..*new
        };
        identity.grant(&below).unwrap()
    });
    shown(&city.renew(&[]));
    let sdk = city.sdk();
    let record = sealed(&sdk);
    let tickets = [&root, &consented].map(|one| city.ticket(one));
    let alone = sdk.revoke("Consent/1").unwrap_err().to_string();
    assert!(alone.contains("revoke_consent"), "{alone}");
    let revoked = sdk.revoke_consent("Consent/1").unwrap();
    assert!(revoked.len() >= 2, "the re-issue and the consent");
    assert!(sdk.revoke_consent("Consent/1").unwrap().is_empty());
    assert!(sdk.renewals_due().unwrap().is_empty(), "it is forgotten");
    drop(sdk);

    // Its re-issue was signed and journalled, and whoever resumes would post it after the revocation.
    let other = city.granted(|identity, new| {
        let below = NewConsent {
            name: "Consent/2",
            root: Some("first"),
            not_after: Time(new.not_after.0 - DAY),
            ..*new
        };
        identity.grant(&below).unwrap()
    });
    let renewal = city.cut_off(other.consent);
    let sdk = city.sdk();
    sdk.revoke_consent("Consent/2").unwrap();
    sdk.resume();
    for consent in [&other.consent, &renewal] {
        let found = proved(&sdk, consent).consent;
        assert!(found.is_none_or(|found| found.revoked.is_some()));
    }
    assert!(sdk.unsettled().is_empty());
    let [first, below] = &tickets;
    assert_eq!(decided(&sdk, first, record, "first"), Decision::Permitted);
    let revoked = Decision::Denied(DenialReason::Revoked);
    assert_eq!(decided(&sdk, below, record, "below"), revoked);
    assert!(sdk.revoke_consent("first").is_ok());
    assert_eq!(decided(&sdk, first, record, "again"), revoked);
}

#[test]
fn a_card_approves_renewals_with_the_consent_or_when_they_wait() {
    let city = City::start();
    let patient = Patient::enrolled(&city);
    let approves = |draft: &str, out: &str| -> Vec<Approval> {
        let (draft, out) = (patient.path(draft), patient.path(out));
        let agreed = ["--draft", &draft, "--yes", "--out", &out];
        let said = shown(&patient.with_card("approve", &agreed));
        assert!(said.contains("Approved"), "{said}");
        Approval::list_from_text(std::fs::read_to_string(out).unwrap().trim()).unwrap()
    };
    std::fs::create_dir(patient.dir.join("mine")).unwrap();
    let consented = city.granted(|identity, new| {
        let draft = identity.draft_consent(new).unwrap();
        std::fs::write(patient.dir.join("draft"), draft.to_text()).unwrap();
        let all = approves("draft", "mine/1.approval");
        assert_eq!(all.len(), 1 + draft.words().later_quarters().count());
        // The hospital has no more than the consent's own.
        identity.grant_approved(new, &all[0]).unwrap()
    });
    let drafts = patient.path("waiting");
    let waits = ended(&city.renew(&["--drafts", &drafts]), Exit::Failure);
    let quarter = quarter_name(Epoch::of(System.now()));
    let wanted = format!("waits:   consent {} for {quarter}", consented.consent);
    assert!(waits.contains(&wanted), "{waits}");
    assert!(
        !waits.contains("Patient/7"),
        "a timer's mail has it: {waits}"
    );
    let whose = format!("waiting/{}.{quarter}.patient", consented.consent);
    let whose = std::fs::read_to_string(patient.path(&whose)).unwrap();
    assert_eq!(whose, "Patient/7\n");
    let draft = format!("waiting/{}.{quarter}.draft", consented.consent);
    approves(&draft, "mine/2.approval");
    let approvals = patient.path("mine/2.approval");
    let renewed = shown(&city.renew(&["--approvals", &approvals]));
    assert!(
        renewed.contains("0 wait for their patients, 0 not renewed"),
        "{renewed}"
    );

    let sdk = city.sdk();
    let (record, ticket) = (sealed(&sdk), city.ticket(&consented));
    assert_eq!(decided(&sdk, &ticket, record, "after"), Decision::Permitted);
    drop(sdk);
    let page = listed(&patient.history(&["--approvals", &patient.path("mine"), "--quarters", "3"]));
    assert!(page.contains("you can end it with your card"), "{page}");
    assert!(page.contains("; renewed for 20"), "{page}");
    assert!(!page.contains("it could have signed alone"), "{page}");
    assert_eq!(page.matches(", from 20").count(), 1, "{page}");
}
