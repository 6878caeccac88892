//! The custodians of the demo and the owner's service, with what the scenes of custody do there.
//!
//! What always holds: the custodians are processes of their own; the owner, whose identity this program
//! has open, serves its vault from within, by the same service.

use super::books::Books;
use super::cast;
use super::services::Custodian;
use super::world::{PATIENCE, World};
use crate::cli::governance::set_of;
use crate::direct::config::ServiceConfig;
use crate::direct::{Owner, Serving, serve};
use anyhow::bail;
use medanchor_ledger::RecordHandle;
use medanchor_ledger::event::Change;
use medanchor_ledger::rules::{ReleaseLog, StateValue};
use medanchor_sdk::custody::{Opened, OpenedError};
use medanchor_sdk::direct::{AddressBook, Certificate, book_entry};
use medanchor_sdk::{DenialReason, GrantTicket, NewAccess, Sdk};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many custodians it takes.
pub const THRESHOLD: u16 = 2;
const PAUSE: Duration = Duration::from_millis(20);

/// The custodians that run, the owner's service, and where all of them listen.
pub struct City<'a> {
    world: &'a World,
    custodians: Vec<Custodian>,
    owner: Serving,
    runtime: tokio::runtime::Runtime,
    /// Where all of them listen.
    pub book: AddressBook,
    /// What whoever asks shows.
    pub certificate: Certificate,
}

impl<'a> City<'a> {
    /// Has the authorities name the custodians, and starts all of it.
    pub fn found(world: &'a World, books: &mut Books) -> anyhow::Result<Self> {
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
        Ok(Self {
            world,
            custodians: start_all(world)?,
            owner,
            runtime,
            book: AddressBook::read(&path)?,
            certificate,
        })
    }

    /// Whose records they are.
    pub fn owner(&self) -> anyhow::Result<&'a Sdk> {
        self.world.player(cast::HOSPITAL)
    }

    /// Anchors a player's request and reads under it; gives what came of that.
    pub fn read(
        &self,
        reader: &str,
        access: &NewAccess<'_>,
        books: &mut Books,
    ) -> anyhow::Result<Result<Opened, OpenedError>> {
        let reader = self.world.player(reader)?;
        books.keep(&reader.anchor(reader.request_access(access)?.event)?)?;
        Ok(reader.read(access, &self.book, &self.certificate))
    }

    /// The first custodian is gone from one moment to the next; gives its name.
    pub fn lose_one(&mut self) -> &'static str {
        self.custodians.remove(0).kill()
    }

    /// Every custodian is out of reach.
    pub fn stop_custodians(&mut self) {
        self.custodians.drain(..).for_each(Custodian::stop);
    }

    /// Every custodian is there again.
    pub fn start_custodians(&mut self) -> anyhow::Result<()> {
        self.custodians = start_all(self.world)?;
        Ok(())
    }

    /// Waits until each custodian that runs has anchored a log with a release; gives their sizes.
    pub fn anchored_releases(&self) -> anyhow::Result<Vec<u64>> {
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

    /// Stops all of it.
    pub fn stop(mut self) {
        self.stop_custodians();
        self.runtime.block_on(self.owner.stop());
    }
}

/// A request for a record under a ticket.
pub const fn access<'a>(
    name: &'a str,
    ticket: &'a GrantTicket,
    record: RecordHandle,
) -> NewAccess<'a> {
    NewAccess {
        name,
        ticket,
        record,
        purpose: "TREAT",
        actor: "sample clinician",
        reason: "demo",
    }
}

/// The ledger's reason for a denial; other failures, and an opened record, end the demo.
pub fn denial(read: Result<Opened, OpenedError>) -> anyhow::Result<DenialReason> {
    match read {
        Err(OpenedError::Denied(reason)) => Ok(reason),
        Err(other) => Err(other.into()),
        Ok(_) => bail!("a record in custody was opened though nobody may"),
    }
}

fn start_all(world: &World) -> anyhow::Result<Vec<Custodian>> {
    let names = cast::CUSTODIANS.iter();
    names.map(|name| Custodian::start(world, name)).collect()
}

async fn serve_owner(
    world: &World,
    node: &str,
    certificate: &Certificate,
) -> anyhow::Result<Serving> {
    let config = ServiceConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), vec![node.to_owned()]);
    let sdk = world.shared_sdk(&cast::name(cast::HOSPITAL)?)?;
    let genesis = world.layout.genesis.clone();
    let owner = Owner::new(sdk, genesis, config.terms(), config.requests);
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
