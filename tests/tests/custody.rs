//! Records whose keys custodians share, end to end: four nodes, five custodians and an owner's vault,
//! each a process of its own, and a reader at another hospital.

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::Time;
use medanchor_ledger::rules::Role;
use medanchor_node::network::{Founding, Institution, Layout, Part, Ports};
use medanchor_sdk::custody::{Opened, OpenedError};
use medanchor_sdk::direct::{AddressBook, Certificate};
use medanchor_sdk::{
    Decision, DenialReason, GrantTicket, Grantee, Identity, NewAccess, NewConsent, NewRecord, Sdk,
};
use medanchor_tests::network::{Network, binary};
use medanchor_tests::service::{Service, run};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const OWNER: &str = "north-hospital";
const READER: &str = "south-hospital";
const CUSTODIANS: [&str; 5] = ["archive", "bar", "chamber", "dean", "ethics"];
const PAYLOAD: &[u8] = br#"{"resourceType":"Observation","valueString":"a secret"}"#;

fn now() -> Result<Time> {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Time(u64::try_from(elapsed.as_millis())?))
}

fn founded(dir: &Path) -> Result<Layout> {
    let validators = [
        (OWNER, Role::Hospital),
        ("east-pharmacy", Role::Pharmacy),
        ("west-maker", Role::Manufacturer),
        ("regulator", Role::Regulator),
    ];
    let guests = CUSTODIANS.map(|name| (name, Role::Custodian));
    let institution = |part| {
        move |(name, role): (&str, Role)| -> Result<Institution> {
            Ok(Institution {
                name: name.parse()?,
                roles: vec![role],
                part,
            })
        }
    };
    let institutions = validators
        .into_iter()
        .map(institution(Part::Validator))
        .chain(
            guests
                .into_iter()
                .chain([(READER, Role::Hospital)])
                .map(institution(Part::Participant)),
        );
    let founding = Founding {
        name: "custody".parse()?,
        institutions: institutions.collect::<Result<_>>()?,
        publisher: None,
        ports: Ports::Free,
        time: now()?,
    };
    Ok(founding.found(dir)?)
}

/// A network with custodians that the authorities approved.
struct City {
    dir: PathBuf,
    network: Network,
    custodians: Vec<Option<Service>>,
    book: AddressBook,
    certificate: Certificate,
}

impl City {
    fn start(dir: &Path) -> Result<Self> {
        let network = Network::run(&binary("medanchor")?, founded(dir)?)?;
        let node = network.client(0).url().to_owned();
        let mut book = String::new();
        for name in CUSTODIANS {
            let entry = Service::init_custodian(&dir.join(name), &node)?;
            let again = Service::init_custodian(&dir.join(name), &node)?;
            ensure!(entry == again, "a second init makes nothing new");
            book += &entry;
        }
        book += &Service::init_vault(&dir.join(OWNER), &node)?;
        let path = dir.join("book.toml");
        std::fs::write(&path, book)?;
        approve(dir, &path, &node)?;
        let custodians = CUSTODIANS.map(|name| Service::custodian(&dir.join(name)).map(Some));
        Ok(Self {
            dir: dir.into(),
            network,
            custodians: custodians.into_iter().collect::<Result<_>>()?,
            book: AddressBook::read(&path)?,
            certificate: Certificate::generate(&[])?,
        })
    }

    fn sdk(&self, name: &str) -> Result<Sdk> {
        let identity = Identity::open(&self.dir.join(name).join("identity"))?;
        let nodes: Vec<String> = (0..4)
            .map(|node| self.network.client(node).url().to_owned())
            .collect();
        Ok(Sdk::new(identity, nodes)?)
    }

    /// Seals a record into custody and lets the reader read it; gives the reader's ticket.
    fn seal_and_grant(&self, name: &str) -> Result<GrantTicket> {
        let sdk = self.sdk(OWNER)?;
        let circle = sdk.custodians(&self.book)?;
        ensure!((circle.epoch(), circle.threshold()) == (1, 3));
        let new = NewRecord {
            name,
            version: 1,
            subject: "Patient/1",
            class: "laboratory",
            payload: PAYLOAD,
        };
        sdk.seal_in_custody(&new, &circle, &self.certificate)?;
        ensure!(
            sdk.open_record(name, 1).is_err(),
            "the vault alone opens nothing"
        );
        let consented = sdk.grant(&NewConsent {
            name: &format!("consent of {name}"),
            root: None,
            subject: "Patient/1",
            grantees: &[Grantee::from(
                READER.parse::<medanchor_sdk::ParticipantName>()?,
            )],
            purposes: &["TREAT"],
            classes: &["laboratory"],
            records_since: sdk.now(),
            not_before: Time(0),
            not_after: sdk.now().plus_millis(3_600_000),
            records: &[(name, "laboratory")],
            document: br#"{"resourceType":"Consent"}"#,
        })?;
        sdk.anchor(consented.event)?;
        consented
            .tickets
            .into_iter()
            .next()
            .context("one grantee, one ticket")
    }

    fn read(
        &self,
        reader: &Sdk,
        ticket: &GrantTicket,
        request: &str,
    ) -> Result<Opened, OpenedError> {
        let record = ticket.records[0].record;
        let access = NewAccess {
            name: request,
            ticket,
            record,
            purpose: "TREAT",
            actor: "Dr. Li",
            reason: "a consultation",
        };
        reader.read(&access, &self.book, &self.certificate)
    }

    fn stop(&mut self, custodians: &[usize]) {
        for place in custodians {
            self.custodians[*place] = None;
        }
    }

    fn start_again(&mut self, place: usize) -> Result<()> {
        let home = self.dir.join(CUSTODIANS[place]);
        self.custodians[place] = Some(Service::custodian(&home)?);
        Ok(())
    }
}

/// One authority proposes the custodians of the book, three approve.
fn approve(dir: &Path, book: &Path, node: &str) -> Result<()> {
    let home = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let (owner, book) = (home(OWNER), book.to_string_lossy());
    let said = run(&[
        "governance",
        "propose-custodians",
        "--home",
        &owner,
        "--node",
        node,
        "--book",
        &book,
        "--threshold",
        "3",
    ])?;
    let proposal = said
        .split_whitespace()
        .skip_while(|word| *word != "--proposal")
        .nth(1)
        .context("the proposal is named")?;
    for name in [OWNER, "east-pharmacy", "regulator"] {
        let home = home(name);
        run(&[
            "governance",
            "approve",
            "--home",
            &home,
            "--node",
            node,
            "--proposer",
            OWNER,
            "--proposal",
            proposal,
        ])?;
    }
    let said = run(&["governance", "custodians", "--home", &owner, "--node", node])?;
    ensure!(said.contains("epoch 1: 3 of 5 custodians"), "{said}");
    Ok(())
}

#[test]
fn a_record_opens_with_enough_custodians_and_the_owner_while_the_consent_stands() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let vault = Service::vault(&dir.path().join(OWNER))?;
    let reader = city.sdk(READER)?;

    let opened = city.read(&reader, &ticket, "first")?;
    ensure!(*opened.payload == PAYLOAD && opened.faults.0.is_empty() && opened.silent.is_empty());
    ensure!(opened.access.proved().decision() == Decision::Permitted);

    city.stop(&[0, 3]);
    let opened = city.read(&reader, &ticket, "second")?;
    ensure!(*opened.payload == PAYLOAD);
    let silent: Vec<_> = opened
        .silent
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    ensure!(silent == ["archive", "dean"], "{silent:?}");

    city.stop(&[1]);
    match city.read(&reader, &ticket, "third") {
        Err(OpenedError::Read { error, silent }) => {
            ensure!(
                silent.len() == 3 && error.to_string().contains("2 of the 3"),
                "{error}"
            );
        }
        Err(other) => bail!("another error: {other}"),
        Ok(_) => bail!("two custodians opened a record that takes three"),
    }
    city.start_again(1)?;
    let opened = city.read(&reader, &ticket, "third")?;
    ensure!(
        *opened.payload == PAYLOAD,
        "a retry goes on with the same request"
    );

    // The owner ends the consent: what was permitted before is released no more, and new requests are denied.
    drop(vault);
    let owner = city.sdk(OWNER)?;
    owner.anchor(owner.revoke("consent of Observation/1")?)?;
    drop(owner);
    let _vault = Service::vault(&dir.path().join(OWNER))?;
    match city.read(&reader, &ticket, "third") {
        Err(OpenedError::Read { silent, .. }) => {
            let refused = |(_, why): &&(_, String)| why.contains("custody.consent-ended");
            let refusals = silent.iter().filter(refused).count();
            ensure!(
                refusals == 3,
                "each custodian that runs refuses: {silent:?}"
            );
        }
        Err(other) => bail!("another error: {other}"),
        Ok(_) => bail!("released after the consent ended"),
    }
    match city.read(&reader, &ticket, "fourth") {
        Err(OpenedError::Denied(DenialReason::Revoked)) => Ok(()),
        Err(other) => bail!("another error: {other}"),
        Ok(_) => bail!("permitted after the consent ended"),
    }
}
