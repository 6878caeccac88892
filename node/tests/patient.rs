//! `medanchor patient history` against a running node: what the hospital anchored is what the list says.

#[path = "patient/renewed.rs"]
mod renewed;

use medanchor_ledger::event::{AccessBreakGlass, KemSuite, ReaderKey};
use medanchor_ledger::{EventId, RecordHandle, RequestHandle, Time};
use medanchor_node::exit::Exit;
use medanchor_node::network::Layout;
use medanchor_node::process::NodeProcess;
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::{
    AccessAsked, Approval, Context, Decision, GrantTicket, Grantee, Identity, NewAccess,
    NewConsent, NewRecord, Sdk, SdkError, System,
};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// How long a node may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: u64 = 24 * 60 * 60 * 1000;

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_medanchor"))
}

fn medanchor(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Seals a record and anchors it.
fn sealed(sdk: &Sdk) -> RecordHandle {
    let record = NewRecord {
        name: "Observation/7",
        version: 1,
        subject: "Patient/7",
        class: "laboratory",
        payload: br#"{"value":1.50}"#,
    };
    let sealed = sdk.seal_record(&record).unwrap();
    sdk.anchor(sealed.event).unwrap();
    sealed.record
}

/// The patient's consent that these read it for treatment.
fn consent_to(grantees: &[Grantee]) -> NewConsent<'_> {
    let now = System.now();
    NewConsent {
        name: "Consent/1",
        root: None,
        subject: "Patient/7",
        grantees,
        purposes: &["TREAT"],
        classes: &["laboratory"],
        records_since: now,
        not_before: Time(now.0 - DAY),
        not_after: Time(now.0 + DAY),
        records: &[("Observation/7", "laboratory")],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: b"{}",
    }
}

/// The request to read it under the consent.
fn asked(sdk: &Sdk, ticket: &GrantTicket, record: RecordHandle) -> AccessAsked {
    let access = NewAccess {
        name: "access-1",
        ticket,
        record,
        purpose: "TREAT",
        actor: "Dr Li",
        reason: "ward round",
    };
    sdk.request_access(&access).unwrap()
}

struct City {
    dir: tempfile::TempDir,
    home: PathBuf,
    url: String,
    _node: NodeProcess,
}

impl City {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        let made = medanchor(&[
            "network",
            "new",
            "--dir",
            text(&net),
            "--name",
            "test",
            "--first-port",
            "0",
            "--validator",
            "north-hospital:hospital",
        ]);
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let layout = Layout::open(&net).unwrap();
        let home = layout.nodes.first().unwrap().home.clone();
        let node = NodeProcess::start(&binary(), &home, &[], PATIENCE).unwrap();
        let url = node.addresses().unwrap().url();
        Self {
            dir,
            home: net.join("north-hospital"),
            url,
            _node: node,
        }
    }

    /// Seals a record and opens it under a consent and by breaking the glass; gives the request's id
    /// and its note, disclosed.
    fn live(&self) -> (EventId, Vec<u8>) {
        let identity = Identity::open(&self.home.join("identity")).unwrap();
        let sdk = Sdk::new(identity, [self.url.clone()]).unwrap();
        let record = sealed(&sdk);
        let grantees = [sdk.participant().clone().into()];
        let consent = consent_to(&grantees);
        let consented = sdk.grant(&consent).unwrap();
        sdk.anchor(consented.event).unwrap();
        let asked = asked(&sdk, &consented.tickets[0], record);
        let commitment = sdk.vault().seal(record, 9, b"{}").unwrap().commitment;
        let broken = AccessBreakGlass {
            request: RequestHandle::new([9; 16]),
            owner: sdk.participant().clone(),
            record,
            reader_key: ReaderKey {
                suite: KemSuite::X25519,
                hash: [9; 32],
            },
            commitment,
        };
        let id = sdk.anchor(asked.event).unwrap().id();
        sdk.anchor(sdk.sign(broken).unwrap()).unwrap();
        (id, sdk.disclose_note("access-1").unwrap())
    }

    fn history(&self, more: &[&str]) -> Output {
        let home = text(&self.home);
        let head = [
            "patient",
            "history",
            "--home",
            home,
            "--subject",
            "Patient/7",
            "--node",
            &self.url,
        ];
        medanchor(&[&head, more].concat())
    }
}

fn shown(output: &Output) -> String {
    ended(output, Exit::Success)
}

/// The list was printed, and the record in it that is not in custody makes the exit code 1.
fn listed(output: &Output) -> String {
    let page = ended(output, Exit::Failure);
    assert!(page.contains("this record is not in custody"), "{page}");
    page
}

fn ended(output: &Output, how: Exit) -> String {
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(how.code().into()),
        "{complained}"
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_patient_sees_exactly_who_opened_the_records() {
    let city = City::start();
    let (request, note) = city.live();
    let words = ["--class", "laboratory", "--record", "Observation/7"];
    let page = listed(&city.history(&words));
    for wanted in [
        "at least 2 accesses, and 0 that were denied",
        "THIS LIST IS NOT COMPLETE",
        "north-hospital opened Observation/7 (laboratory)",
        "why    TREAT",
        "north-hospital has not disclosed",
        "it could have signed alone",
        "NO CONSENT: glass broken, NOT REVIEWED, due",
        ": exactly 4 events",
    ] {
        assert!(page.contains(wanted), "{wanted:?} is not in\n{page}");
    }
    assert!(
        !page.contains("Dr Li") && !page.contains(": not proved: "),
        "{page}"
    );

    let notes = city.dir.path().join("notes");
    std::fs::create_dir(&notes).unwrap();
    let file = notes.join(format!("{request}.disclosure"));
    std::fs::write(&file, &note).unwrap();
    let told = ["--notes", text(&notes)];
    assert!(listed(&city.history(&told)).contains("who    Dr Li"));

    for (format, key, value) in [
        ("json", "whole", serde_json::json!(false)),
        ("balp", "resourceType", serde_json::json!("Bundle")),
        ("ehds", "whole", serde_json::json!(false)),
    ] {
        let page = listed(&city.history(&["--format", format]));
        let json: serde_json::Value = serde_json::from_str(&page).unwrap();
        assert_eq!(json[key], value, "{format}");
    }

    // A note that the request did not commit to is evidence, and never a name.
    std::fs::write(&file, &note[..note.len() - 1]).unwrap();
    let output = city.history(&told);
    assert_eq!(output.status.code(), Some(Exit::Failure.code().into()));
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(
        page.contains("FALSE: what was disclosed") && !page.contains("Dr Li"),
        "{page}"
    );

    // Of somebody unknown there is nothing, and that is proved.
    let head = [
        "patient",
        "history",
        "--home",
        text(&city.home),
        "--node",
        &city.url,
    ];
    let output = medanchor(&[&head[..], &["--subject", "Patient/8"]].concat());
    assert!(shown(&output).contains("exactly 0 accesses, and 0 that were denied"));
}

/// What a patient with a card does at home and at the hospital's desk.
struct Patient<'a> {
    city: &'a City,
    dir: PathBuf,
}

impl<'a> Patient<'a> {
    /// With a card, brought to the hospital.
    fn enrolled(city: &'a City) -> Self {
        let dir = city.dir.path().to_owned();
        std::fs::write(dir.join("pin"), "493817\n").unwrap();
        let patient = Self { city, dir };
        let (genesis, pin) = (patient.path("net/genesis"), patient.path("pin"));
        let card = patient.path("card");
        let arguments = ["--genesis", &genesis, "--pin-file", &pin, "--out", &card];
        let card = || medanchor(&[&["patient", "card"], &arguments[..]].concat());
        let allow = |mode| std::fs::set_permissions(&pin, Permissions::from_mode(mode)).unwrap();
        allow(0o644);
        let open = card();
        assert_eq!(open.status.code(), Some(16), "others can read the PIN");
        assert!(String::from_utf8_lossy(&open.stderr).contains("chmod 600"));
        allow(0o600);
        shown(&card());
        let brought = patient.path("brought");
        let arguments = ["--institution", "north-hospital", "--out", &brought];
        shown(&patient.with_card("key", &arguments));
        let enrol = ["patient", "enrol", "--home", text(&city.home)];
        let rest = ["--subject", "Patient/7", "--key", &brought];
        shown(&medanchor(&[&enrol[..], &rest].concat()));
        patient
    }

    fn path(&self, name: &str) -> String {
        text(&self.dir.join(name)).to_owned()
    }

    fn with_card(&self, word: &str, more: &[&str]) -> Output {
        let (card, pin) = (self.path("card/card.txt"), self.path("pin"));
        let genesis = self.path("net/genesis");
        let head = ["patient", word, "--card", &card, "--pin-file", &pin];
        medanchor(&[&head[..], &["--genesis", &genesis], more].concat())
    }

    fn history(&self, more: &[&str]) -> Output {
        let head = ["--institution", "north-hospital", "--node", &self.city.url];
        self.with_card("history", &[&head[..], more].concat())
    }

    /// The hospital seals a record, has the patient approve a consent, and reads the record under it.
    fn consents_and_is_read(&self) {
        let identity = Identity::open(&self.city.home.join("identity")).unwrap();
        let sdk = Sdk::new(identity, [self.city.url.clone()]).unwrap();
        let record = sealed(&sdk);
        let grantees = [sdk.participant().clone().into()];
        let consent = consent_to(&grantees);
        assert!(sdk.grant(&consent).is_err(), "not without the patient");
        let draft = sdk.draft_consent(&consent).unwrap();
        std::fs::write(self.dir.join("draft"), draft.to_text()).unwrap();
        std::fs::create_dir(self.dir.join("mine")).unwrap();
        let (draft, out) = (self.path("draft"), self.path("mine/1.approval"));
        let looked = shown(&self.with_card("approve", &["--draft", &draft]));
        assert!(looked.contains("for    TREAT") && looked.contains("Nothing is signed"));
        assert!(
            looked.contains(".000Z (UTC)") && looked.contains("from   20"),
            "{looked}"
        );
        let agreed = ["--draft", &draft, "--yes", "--out", &out];
        shown(&self.with_card("approve", &agreed));
        let approval = std::fs::read_to_string(&out).unwrap();
        let approvals = Approval::list_from_text(approval.trim()).unwrap();
        let consented = sdk.grant_approved(&consent, &approvals[0]).unwrap();
        sdk.anchor(consented.event).unwrap();
        let asked = asked(&sdk, &consented.tickets[0], record);
        sdk.anchor(asked.event).unwrap();
    }
}

#[test]
fn a_patient_with_a_card_needs_no_institution_to_see_the_list() {
    let city = City::start();
    let patient = Patient::enrolled(&city);
    patient.consents_and_is_read();
    let alone = "it could have signed alone";
    let opened = "at least 1 accesses, and 0 that were denied";

    let mine = patient.path("mine");
    let page = listed(&patient.history(&["--approvals", &mine]));
    assert!(
        page.contains(opened) && page.contains("exactly 3 events"),
        "{page}"
    );
    assert!(
        page.contains("why    TREAT") && !page.contains(alone),
        "{page}"
    );
    // Whoever shows no approval could have made the consent up.
    let page = listed(&patient.history(&[]));
    assert!(page.contains(opened) && page.contains(alone), "{page}");
    // The institution has the approval in its vault, and under the key that it held there is nothing.
    let page = listed(&city.history(&[]));
    assert!(page.contains(opened) && !page.contains(alone), "{page}");
    let other = "the institution has used another key for this patient";
    assert!(!page.contains(other), "{page}");
    let page = ended(&city.history(&["--held"]), Exit::Failure);
    assert!(
        page.contains("at least 0 accesses") && page.contains(other),
        "{page}"
    );

    std::fs::write(patient.dir.join("pin"), "493818").unwrap();
    let output = patient.history(&[]);
    assert_eq!(output.status.code(), Some(Exit::Failure.code().into()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the PIN is wrong"));
}

#[test]
fn a_folder_without_an_identity_has_an_exit_code_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = [
        "patient",
        "history",
        "--subject",
        "x",
        "--node",
        "http://127.0.0.1:1",
    ];
    let output = medanchor(&[&nowhere[..], &["--home", text(dir.path())]].concat());
    assert_eq!(output.status.code(), Some(Exit::Home.code().into()));
}

/// Whoever has the card of a key sees what is sealed under it.
#[test]
fn a_key_is_one_patients_and_takes_anothers_place_on_purpose_alone() {
    let city = City::start();
    let patient = Patient::enrolled(&city);
    let [genesis, pin] = ["net/genesis", "pin"].map(|name| patient.path(name));
    let [card, key] = ["second", "key"].map(|name| patient.path(name));
    let files = ["--genesis", &genesis, "--pin-file", &pin];
    let draw = ["patient", "card", "--out", &card];
    shown(&medanchor(&[&draw[..], &files].concat()));
    let card = format!("{card}/card.txt");
    let hand = ["patient", "key", "--institution", "north-hospital"];
    let out = ["--card", &card, "--out", &key];
    shown(&medanchor(&[&hand[..], &out, &files].concat()));

    let enrol = |subject: &str, key: &str, more: &[&str]| {
        let head = ["patient", "enrol", "--home", text(&city.home)];
        let rest = ["--subject", subject, "--key", key];
        medanchor(&[&head[..], &rest, more].concat()).status.code()
    };
    let first = patient.path("brought");
    assert_eq!(enrol("Patient/8", &first, &[]), Some(1));
    assert_eq!(enrol("Patient/7", &key, &[]), Some(1));
    assert_eq!(enrol("Patient/7", &first, &[]), Some(0), "as it was");
    assert_eq!(enrol("Patient/7", &key, &["--replace"]), Some(0));
    assert_eq!(enrol("Patient/7", &first, &["--replace"]), Some(1));
}
