//! The care of one patient in the network of a demo that runs, by commands and applications as in earnest:
//! what the demo's own story lacks. A card is brought to two hospitals, a guardian is appointed by card and
//! consents; records are read, opened by breaking the glass, reviewed, corrected, moved to custodians that
//! did not have them, opened by the emergency key; one consent is renewed, others end by card and by the hospital.

mod clock;
mod consents;
mod desk;
pub mod people;

pub use self::clock::{BEFORE, LastQuarter};
pub use self::desk::Desk;

use super::commands::PASSPHRASE;
use super::nodes::Shown;
pub use super::services::OWNER;
use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::event::{EventBody, RecordSupersede};
use medanchor_ledger::{ConsentHandle, RecordHandle};
use medanchor_sdk::direct::{AddressBook, Certificate};
use medanchor_sdk::{GrantTicket, NewAccess, NewRecord, Sdk, SignedEvent};
use medanchor_tests::city::proposal_in;
use medanchor_tests::files::text;
use medanchor_tests::service::Service;
use people::{PATIENT, PLAIN, READER, RECORD, RESCUER, REVIEWER, WHY};
use std::path::{Path, PathBuf};

/// The other hospital, which reads, and which the patient visits as well.
pub const VISITED: &str = "south-hospital";
/// Who anchors what the patient ends.
pub const PHARMACY: &str = "east-pharmacy";
const MAKER: &str = "jade-pharma";
const REGULATOR: &str = "drug-regulator";
/// In turn: with whom the record is sealed, and to whom it moves. The first of the latter is new to it.
const SETS: [[&str; 2]; 2] = [
    ["ethics-board", "notary-chamber"],
    ["city-archive", "ethics-board"],
];
const ALL: [&str; 3] = ["city-archive", "ethics-board", "notary-chamber"];
/// The word under which records are sealed.
pub const CLASS: &str = "Observation";
const OWN: &str = "consent of care-patient-4711";
const DAY: u64 = 24 * 3_600_000;

/// Lives through all of it.
pub fn live(desk: Desk<'_>, shown: &mut Shown) -> Result<()> {
    let care = Care::begin(desk)?;
    let record = care.seal(1)?;
    let by_guardian = care.appoint_a_guardian()?;
    let own = care.consent(OWNER, OWN, VISITED)?;
    let elsewhere = care.visit_elsewhere()?;
    let renewed = care.renew()?;
    care.correct_what_is_not_in_custody()?;

    let opened = care.while_the_vault_serves(|| {
        care.read(&by_guardian, record, "read by care-staff-0")?;
        care.read(&renewed, record, "read under the renewal by care-staff-0")?;
        let first = care.break_glass(record, "glass-1", WHY[1])?;
        care.break_glass(record, "glass-2", WHY[2])?;
        Ok(first)
    })?;
    care.review(&opened)?;
    care.end_by_card(&[(OWNER, own), (VISITED, elsewhere)])?;

    care.seal(2)?;
    care.move_to(record, &SETS[1])?;
    care.while_the_vault_serves(|| care.read(&by_guardian, record, "read again by care-staff-0"))?;
    care.open_in_emergency()?;
    care.end_the_delegation(&by_guardian, record)?;
    care.desk.says_at(REGULATOR, &["access", "reviews"], &[])?;
    care.list()?;
    shown.append(&mut care.finish()?);
    Ok(())
}

struct Care<'a> {
    desk: Desk<'a>,
    custodians: Vec<Service>,
    /// Where all of them and the owner's vault listen.
    path: PathBuf,
    book: AddressBook,
    certificate: Certificate,
}

impl<'a> Care<'a> {
    fn begin(desk: Desk<'a>) -> Result<Self> {
        Service::init_vault(&desk.dir.join(OWNER), desk.node)?;
        let start = |name| Service::custodian(&desk.dir.join(name));
        let custodians = ALL.into_iter().map(start).collect::<Result<_>>()?;
        let path = write_book(desk.dir, "care.toml", &ALL)?;
        let care = Self {
            custodians,
            book: AddressBook::read(&path)?,
            certificate: Certificate::generate(&[])?,
            path,
            desk,
        };
        care.name_custodians(&SETS[0])?;
        std::fs::create_dir(care.desk.path(NOTES))?;
        for hospital in [OWNER, VISITED] {
            care.enrol(hospital)?;
        }
        Ok(care)
    }

    /// The authorities name those who keep shares from now on.
    fn name_custodians(&self, set: &[&str]) -> Result<()> {
        let (desk, name) = (&self.desk, format!("{}.toml", set.join("-and-")));
        let book = write_book(desk.dir, &name, set)?;
        let terms = ["--book", text(&book)?, "--threshold", "2"];
        let proposed = desk.says_at(OWNER, &["governance", "propose-custodians"], &terms)?;
        let proposal = proposal_in(&proposed)?;
        let what = ["--proposer", OWNER, "--proposal", &proposal];
        for authority in [OWNER, PHARMACY, MAKER] {
            desk.says_at(authority, &["governance", "approve"], &what)?;
        }
        Ok(())
    }

    fn enrol(&self, hospital: &str) -> Result<()> {
        let brought = self.desk.path(&format!("brought-to-{hospital}"));
        let hand = ["--institution", hospital, "--out", &brought];
        self.desk.with_card("key", &hand)?;
        let home = self.desk.dir.join(hospital);
        let enrol = ["patient", "enrol", "--home", text(&home)?];
        let whose = ["--subject", PATIENT, "--key", &brought];
        self.desk.says(&[&enrol[..], &whose].concat())?;
        Ok(())
    }

    fn seal(&self, version: u32) -> Result<RecordHandle> {
        let owner = self.desk.sdk(OWNER)?;
        let circle = owner.custodians(&self.book)?;
        let document = people::document(version).to_string();
        let new = NewRecord {
            name: RECORD,
            version,
            subject: PATIENT,
            class: CLASS,
            payload: document.as_bytes(),
        };
        Ok(owner
            .seal_in_custody(&new, &circle, &self.certificate)?
            .record)
    }

    /// A version of another class follows the first. The application of a hospital whose records are not in
    /// custody signs that itself.
    fn correct_what_is_not_in_custody(&self) -> Result<()> {
        let owner = self.desk.sdk(OWNER)?;
        owner.anchor(sealed(&owner, PLAIN, 1, CLASS)?)?;
        let corrected = sealed(&owner, PLAIN, 2, "DiagnosticReport")?;
        let EventBody::RecordSeal(seal) = corrected.body() else {
            bail!("not sealed");
        };
        owner.anchor(owner.sign(RecordSupersede {
            record: seal.record,
            version: seal.version,
            class: seal.class,
            commitment: seal.commitment,
            ciphertext: seal.ciphertext,
            vault_part: seal.vault_part,
            key_check: seal.key_check,
            custody: None,
        })?)?;
        Ok(())
    }

    fn visit_elsewhere(&self) -> Result<ConsentHandle> {
        let sdk = self.desk.sdk(VISITED)?;
        sdk.anchor(sealed(&sdk, RECORD, 1, CLASS)?)?;
        drop(sdk);
        self.consent(VISITED, OWN, OWNER)
    }

    fn while_the_vault_serves<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let vault = Service::vault(&self.desk.dir.join(OWNER))?;
        let done = act()?;
        vault.stop()?;
        Ok(done)
    }

    /// Reads under a consent, and lets the patient know who did.
    fn read(&self, ticket: &GrantTicket, record: RecordHandle, name: &str) -> Result<()> {
        let reader = self.desk.sdk(VISITED)?;
        let opened = reader.read(&access(name, ticket, record), &self.book, &self.certificate)?;
        ensure!(opened.payload.starts_with(b"{"));
        let note = format!("{NOTES}{}.disclosure", opened.receipt.id());
        std::fs::write(self.desk.path(&note), reader.disclose_note(name)?)?;
        Ok(())
    }

    /// Opens a record without a consent; gives the request.
    fn break_glass(&self, record: RecordHandle, name: &str, why: &str) -> Result<String> {
        let (record, out) = (
            record.to_string(),
            self.desk.path(&format!("{OPENED}{name}")),
        );
        let what = ["--owner", OWNER, "--record", &record, "--name", name];
        let who = ["--actor", RESCUER, "--reason", why, "--out", &out];
        let book = ["--book", text(&self.path)?];
        let more = [&what[..], &who, &book].concat();
        let said = self
            .desk
            .says_at(VISITED, &["access", "break-glass"], &more)?;
        let request = said.split("request ").nth(1).context("the request")?;
        Ok(request
            .chars()
            .take_while(char::is_ascii_hexdigit)
            .collect())
    }

    fn review(&self, request: &str) -> Result<()> {
        let what = ["--requester", VISITED, "--request", request];
        let found = [
            "--verdict",
            "justified",
            "--actor",
            REVIEWER,
            "--reason",
            WHY[3],
        ];
        let more = [&what[..], &found].concat();
        self.desk.says_at(OWNER, &["access", "review"], &more)?;
        Ok(())
    }

    fn move_to(&self, record: RecordHandle, set: &[&str]) -> Result<()> {
        self.name_custodians(set)?;
        let record = record.to_string();
        let what = ["--book", text(&self.path)?, "--record", &record];
        self.desk.says_at(OWNER, &["vault", "reshare"], &what)?;
        Ok(())
    }

    fn open_in_emergency(&self) -> Result<()> {
        let home = self.desk.dir.join(OWNER);
        let words = self.desk.secret("passphrase", PASSPHRASE)?;
        let out = self.desk.path(&format!("{OPENED}emergency"));
        let open = ["vault", "emergency", "open", "--home", text(&home)?];
        let what = ["--record", RECORD, "--document-version", "2", "--out", &out];
        let who = [
            "--actor",
            RESCUER,
            "--reason",
            WHY[4],
            "--passphrase-file",
            text(&words)?,
        ];
        self.desk.says(&[&open[..], &what, &who].concat())?;
        self.desk
            .says_at(OWNER, &["vault", "emergency", "anchor"], &[])?;
        Ok(())
    }

    /// The patient has the lists of both hospitals as FHIR.
    fn list(&self) -> Result<()> {
        for (institution, approvals) in [(OWNER, "mine"), (VISITED, VISITED)] {
            let approvals = self.desk.path(approvals);
            let at = ["--institution", institution, "--node", self.desk.node];
            let notes = self.desk.path(NOTES);
            let how = [
                "--approvals",
                &approvals,
                "--notes",
                &notes,
                "--format",
                "balp",
            ];
            let list = self.desk.shows("history", &[&at[..], &how].concat())?;
            std::fs::write(self.desk.path(&format!("{LIST}{institution}.json")), list)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Shown> {
        for custodian in self.custodians {
            custodian.stop()?;
        }
        Ok(self.desk.said())
    }
}

/// The draft of the delegation, which names the delegate, and the end of its approval's name.
const GUARDIAN_FILE: &str = "guardian";
/// How the names of documents begin that were opened.
const OPENED: &str = "opened-";

/// The folder of what says who read.
const NOTES: &str = "notes/";
/// How the names of lists begin: they name people on purpose.
pub const LIST: &str = "list-of-";

/// What the patient has at home or was handed there, with its name, but for documents that were opened,
/// lists, and what names delegate or reader on purpose.
pub fn at_home(home: &Path) -> Result<Shown> {
    let mut files = Shown::new();
    for path in super::files(home)? {
        let name = path.strip_prefix(home)?.display().to_string();
        let last = name.rsplit('/').next().unwrap_or_default();
        let names_people = [OPENED, LIST, GUARDIAN_FILE];
        let names_people = names_people.iter().any(|kind| last.starts_with(kind));
        if !names_people && !name.starts_with(NOTES) {
            files.push(("patient's files", name, std::fs::read(path)?));
        }
    }
    Ok(files)
}

/// A version of a record that is not in custody, sealed.
fn sealed(sdk: &Sdk, name: &str, version: u32, class: &str) -> Result<SignedEvent> {
    let sealed = sdk.seal_record(&NewRecord {
        name,
        version,
        subject: PATIENT,
        class,
        payload: people::document(version).to_string().as_bytes(),
    })?;
    Ok(sealed.event)
}

const fn access<'t>(name: &'t str, ticket: &'t GrantTicket, record: RecordHandle) -> NewAccess<'t> {
    NewAccess {
        name,
        ticket,
        record,
        purpose: "TREAT",
        actor: READER,
        reason: WHY[0],
    }
}

/// An address book of these custodians and the owner's vault, in the demo's folder.
fn write_book(dir: &Path, name: &str, custodians: &[&str]) -> Result<PathBuf> {
    let entries = custodians
        .iter()
        .map(|name| dir.join(name).join("custodian/entry.toml"));
    let owner = dir.join(OWNER).join("vault-service/entry.toml");
    let entries = entries.chain([owner]).map(std::fs::read_to_string);
    let path = dir.join(name);
    std::fs::write(&path, entries.collect::<Result<String, _>>()?)?;
    Ok(path)
}
