//! Custody at work: a record whose key three custodians share, opened through two of them and its owner
//! under a consent, and not opened without one.
//!
//! What always holds: the custodians are processes of their own; the owner, whose identity this program
//! has open, serves its vault from within, by the same service.

use super::books::Books;
use super::cast;
use super::input::Input;
use super::scenes::{PERMITTED, forged_ticket};
use super::services::Custodian;
use super::world::{PATIENCE, World};
use crate::cli::governance::set_of;
use crate::direct::config::ServiceConfig;
use crate::direct::{Owner, Serving, serve};
use anyhow::{Context, bail};
use medanchor_ledger::event::Change;
use medanchor_ledger::rules::{ReleaseLog, StateValue};
use medanchor_ledger::{RecordHandle, Time};
use medanchor_sdk::custody::OpenedError;
use medanchor_sdk::direct::{AddressBook, Certificate, book_entry};
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::{GrantTicket, NewAccess, NewConsent, NewRecord, Sdk};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

const RECORD: &str = "demo/record-in-custody";
const SUBJECT: &str = "Patient/sample-custody";
const CLASS: &str = "Observation";
/// What is sealed where the input has no document.
const DOCUMENT: &[u8] = br#"{"resourceType":"Observation","status":"final"}"#;
const THRESHOLD: u16 = 2;
const HOUR: u64 = 3_600_000;
const PAUSE: Duration = Duration::from_millis(20);

/// What became of the record in custody.
#[derive(Serialize)]
pub struct Custody {
    /// Who keeps shares.
    pub custodians: Vec<&'static str>,
    /// How many of them it takes.
    pub threshold: u16,
    /// Who was away when the record was read.
    pub away: &'static str,
    /// Whether the owner's vault refused to open the record by itself.
    pub owner_alone_refused: bool,
    /// Who read it under the consent.
    pub reader: &'static str,
    /// Whether the document came out as it went in.
    pub opened: bool,
    /// Who asked without a consent.
    pub stranger: &'static str,
    /// What the ledger decided on that, and the reader's call said.
    pub denied: String,
    /// How many releases each custodian that ran has in the log whose root it anchored.
    pub releases: Vec<u64>,
}

impl Custody {
    /// How the two reads were decided.
    pub fn decisions(&self) -> [&str; 2] {
        [PERMITTED, &self.denied]
    }
}

/// Plays it all; the custodians are stopped at its end.
pub fn play(world: &World, input: &Input, now: Time, books: &mut Books) -> anyhow::Result<Custody> {
    let mut city = City::found(world, books)?;
    let documents = input.import.items.prescriptions.first();
    let document = documents.map_or(DOCUMENT, |one| one.original.as_bytes());
    let (record, ticket) = city.seal(document, now, books)?;
    let owner = world.player(cast::HOSPITAL)?;
    let owner_alone_refused = owner.open_record(RECORD, 1).is_err();
    // The first is away, as by a power cut.
    let away = city.custodians.remove(0).kill();
    let opened = city.read(&ticket, record, books)?;
    let denied = city.refuse(record, now, books)?;
    let releases = city.anchored_releases()?;
    city.stop();
    Ok(Custody {
        custodians: cast::CUSTODIANS.to_vec(),
        threshold: THRESHOLD,
        away,
        owner_alone_refused,
        reader: cast::SECOND_HOSPITAL,
        opened: opened == document,
        stranger: cast::MAKER,
        denied,
        releases,
    })
}

/// The custodians that run, the owner's service, and where all of them listen.
struct City<'a> {
    world: &'a World,
    custodians: Vec<Custodian>,
    owner: Serving,
    runtime: tokio::runtime::Runtime,
    book: AddressBook,
    certificate: Certificate,
}

impl<'a> City<'a> {
    fn found(world: &'a World, books: &mut Books) -> anyhow::Result<Self> {
        let node = world.url(cast::HOSPITAL)?;
        let certificate = Certificate::generate(&["127.0.0.1".to_owned()])?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let owner = runtime.block_on(serve_owner(world, node, &certificate))?;
        let address = format!("https://{}", owner.address);
        let own = cast::name(cast::HOSPITAL)?;
        let mut text = book_entry(&own, &address, &certificate.to_pem(), None);
        for name in cast::CUSTODIANS {
            text += &Custodian::init(world, name, node)?;
        }
        let path = world.layout.dir.join("book.toml");
        std::fs::write(&path, text)?;
        approve(world, &path, books)?;
        let start = |name: &&'static str| Custodian::start(world, name);
        Ok(Self {
            world,
            custodians: cast::CUSTODIANS
                .iter()
                .map(start)
                .collect::<anyhow::Result<_>>()?,
            owner,
            runtime,
            book: AddressBook::read(&path)?,
            certificate,
        })
    }

    /// Seals the document and grants it to the second hospital.
    fn seal(
        &self,
        document: &[u8],
        now: Time,
        books: &mut Books,
    ) -> anyhow::Result<(RecordHandle, GrantTicket)> {
        let owner = self.world.player(cast::HOSPITAL)?;
        let circle = owner.custodians(&self.book)?;
        let new = NewRecord {
            name: RECORD,
            version: 1,
            subject: SUBJECT,
            class: CLASS,
            payload: document,
        };
        let sealed = owner.seal_in_custody(&new, &circle, &self.certificate)?;
        books.keep(&sealed.anchored)?;
        let consented = owner.grant(&NewConsent {
            name: "demo/consent-in-custody",
            root: None,
            subject: SUBJECT,
            grantees: &[cast::name(cast::SECOND_HOSPITAL)?.into()],
            purposes: &["TREAT"],
            classes: &[CLASS],
            records_since: now,
            not_before: now,
            not_after: now.plus_millis(24 * HOUR),
            records: &[(RECORD, CLASS)],
            separate: SeparateConsent::SHARE,
            abroad: false,
            document: br#"{"resourceType":"Consent"}"#,
        })?;
        books.keep(&owner.anchor(consented.event)?)?;
        let ticket = consented.tickets.into_iter().next();
        Ok((sealed.record, ticket.context("one grantee, one ticket")?))
    }

    /// The second hospital reads under the consent.
    fn read(
        &self,
        ticket: &GrantTicket,
        record: RecordHandle,
        books: &mut Books,
    ) -> anyhow::Result<Vec<u8>> {
        let reader = self.world.player(cast::SECOND_HOSPITAL)?;
        let access = access("demo/read-in-custody", ticket, record);
        let opened = reader.read(&access, &self.book, &self.certificate)?;
        books.keep(&opened.receipt)?;
        Ok(opened.payload.to_vec())
    }

    /// The drug maker asks with a consent that nobody gave; gives the ledger's reason.
    fn refuse(&self, record: RecordHandle, now: Time, books: &mut Books) -> anyhow::Result<String> {
        let (owner, stranger) = (
            self.world.player(cast::HOSPITAL)?,
            self.world.player(cast::MAKER)?,
        );
        let forged = forged_ticket(stranger, owner, now, 0x5b);
        let access = access("demo/read-in-custody-without-consent", &forged, record);
        books.keep(&stranger.anchor(stranger.request_access(&access)?.event)?)?;
        match stranger.read(&access, &self.book, &self.certificate) {
            Err(OpenedError::Denied(reason)) => Ok(reason.as_str().to_owned()),
            Err(other) => Err(other.into()),
            Ok(_) => bail!("a record in custody was opened without a consent"),
        }
    }

    /// Waits until each custodian that runs has anchored a log with a release; gives their sizes.
    fn anchored_releases(&self) -> anyhow::Result<Vec<u64>> {
        let client = self.world.client(cast::HOSPITAL)?;
        let start = Instant::now();
        let mut sizes = Vec::new();
        for custodian in &self.custodians {
            let key = ReleaseLog::key(&cast::name(custodian.name())?);
            loop {
                let proved = client.state(&key, None)?;
                if let Some(value) = proved.proved().value.as_deref() {
                    sizes.push(ReleaseLog::decode(value)?.size.0);
                    break;
                }
                if start.elapsed() > PATIENCE {
                    bail!("{} has not anchored its log of releases", custodian.name());
                }
                std::thread::sleep(PAUSE);
            }
        }
        Ok(sizes)
    }

    fn stop(self) {
        self.runtime.block_on(self.owner.stop());
        self.custodians.into_iter().for_each(Custodian::stop);
    }
}

async fn serve_owner(
    world: &World,
    node: &str,
    certificate: &Certificate,
) -> anyhow::Result<Serving> {
    let config = ServiceConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), vec![node.to_owned()]);
    let sdk = world.shared_sdk(&cast::name(cast::HOSPITAL)?)?;
    let owner = Owner::new(sdk, world.layout.genesis.clone(), config.terms());
    let serving = serve(&config, certificate, std::sync::Arc::new(owner)).await;
    serving.map_err(|error| anyhow::anyhow!("{error}"))
}

/// One authority proposes the custodians of the book, three approve: the fourth has lost power.
fn approve(world: &World, book: &Path, books: &mut Books) -> anyhow::Result<()> {
    let proposer = world.player(cast::HOSPITAL)?;
    let set = set_of(&AddressBook::read(book)?, 1, THRESHOLD)?;
    let change = Change::Custodians(set.clone());
    let event = proposer.propose_custodians("custodians", set)?;
    books.keep(&proposer.anchor(event)?)?;
    let handle = proposer.proposal_handle("custodians");
    for name in [cast::HOSPITAL, cast::PHARMACY, cast::MAKER] {
        let authority: &Sdk = world.player(name)?;
        let event = authority.approve(proposer.participant(), handle, &change)?;
        books.keep(&authority.anchor(event)?)?;
    }
    Ok(())
}

const fn access<'a>(name: &'a str, ticket: &'a GrantTicket, record: RecordHandle) -> NewAccess<'a> {
    NewAccess {
        name,
        ticket,
        record,
        purpose: "TREAT",
        actor: "sample clinician",
        reason: "demo",
    }
}
