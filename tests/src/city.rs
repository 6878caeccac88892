//! A city with custodians: four nodes, five custodians and an owner's vault, each a process of its own.

use crate::network::{Network, binary};
use crate::service::{Service, run};
use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::event::EventBody;
use medanchor_ledger::rules::{Record, Role, StateValue};
use medanchor_ledger::{RecordHandle, Time};
use medanchor_node::network::{Founding, Institution, Layout, Part, Ports};
use medanchor_sdk::custody::{Opened, OpenedError};
use medanchor_sdk::direct::{AddressBook, Certificate};
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::{GrantTicket, Grantee, Identity, NewAccess, NewConsent, NewRecord, Sdk};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Who seals records.
pub const OWNER: &str = "north-hospital";
/// Who reads them.
pub const READER: &str = "south-hospital";
/// Who keeps shares, in the order of their places; three of them do.
pub const CUSTODIANS: [&str; 5] = ["archive", "bar", "chamber", "dean", "ethics"];
/// A custodian that no set names at first, and that does not run.
pub const SPARE: &str = "forum";
/// The document.
pub const PAYLOAD: &[u8] = br#"{"resourceType":"Observation","valueString":"a secret"}"#;

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
    let guests = (CUSTODIANS.into_iter().chain([SPARE])).map(|name| (name, Role::Custodian));
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
pub struct City {
    /// The participants' homes, each in a folder of its name.
    pub dir: PathBuf,
    /// The nodes.
    pub network: Network,
    /// The custodians that run, by place.
    pub custodians: Vec<Option<Service>>,
    /// Where all of them listen.
    pub book: AddressBook,
    /// What whoever asks shows.
    pub certificate: Certificate,
}

/// The record that scenarios seal under this name.
#[must_use]
pub fn record(name: &str) -> NewRecord<'_> {
    NewRecord {
        name,
        version: 1,
        subject: "Patient/1",
        class: "laboratory",
        payload: PAYLOAD,
    }
}

impl City {
    /// Founds and starts all of it but the vault.
    ///
    /// # Errors
    /// If a process is not ready in time.
    pub fn start(dir: &Path) -> Result<Self> {
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
        approve(dir, &path, &node, 1)?;
        let custodians = CUSTODIANS.map(|name| Service::custodian(&dir.join(name)).map(Some));
        Ok(Self {
            dir: dir.into(),
            network,
            custodians: custodians.into_iter().collect::<Result<_>>()?,
            book: AddressBook::read(&path)?,
            certificate: Certificate::generate(&[])?,
        })
    }

    /// The application of a participant, which asks every node.
    ///
    /// # Errors
    /// If another process has the identity open.
    pub fn sdk(&self, name: &str) -> Result<Sdk> {
        let identity = Identity::open(&self.dir.join(name).join("identity"))?;
        let nodes: Vec<String> = (0..4)
            .map(|node| self.network.client(node).url().to_owned())
            .collect();
        Ok(Sdk::new(identity, nodes)?)
    }

    /// Seals a record into custody and lets the reader read it; gives the reader's ticket.
    ///
    /// # Errors
    /// If anything is refused.
    pub fn seal_and_grant(&self, name: &str) -> Result<GrantTicket> {
        let sdk = self.sdk(OWNER)?;
        let circle = sdk.custodians(&self.book)?;
        ensure!((circle.epoch(), circle.threshold()) == (1, 3));
        sdk.seal_in_custody(&record(name), &circle, &self.certificate)?;
        ensure!(
            sdk.open_record(name, 1).is_err(),
            "the vault alone opens nothing"
        );
        self.grant(&sdk, "consent", name, sdk.now().plus_millis(3_600_000))
    }

    /// Lets the reader read a record for treatment until a time, by a consent that is called `consent` of
    /// the record; gives the reader's ticket.
    ///
    /// # Errors
    /// If anything is refused.
    pub fn grant(&self, sdk: &Sdk, consent: &str, name: &str, until: Time) -> Result<GrantTicket> {
        let consented = sdk.grant(&NewConsent {
            name: &format!("{consent} of {name}"),
            root: None,
            subject: "Patient/1",
            grantees: &[Grantee::from(
                READER.parse::<medanchor_sdk::ParticipantName>()?,
            )],
            purposes: &["TREAT"],
            classes: &["laboratory"],
            records_since: sdk.now(),
            not_before: Time(0),
            not_after: until,
            records: &[(name, "laboratory")],
            separate: SeparateConsent::SHARE,
            abroad: false,
            document: br#"{"resourceType":"Consent"}"#,
        })?;
        sdk.anchor(consented.event)?;
        consented
            .tickets
            .into_iter()
            .next()
            .context("one grantee, one ticket")
    }

    /// Reads the record of a ticket under a request of this name.
    ///
    /// # Errors
    /// As [`Sdk::read`].
    pub fn read(
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

    /// Puts a cheat in the place of the custodian that runs there, at its home, address and keys.
    ///
    /// # Errors
    /// If it does not listen in time.
    pub fn corrupt(&mut self, place: usize, how: &'static str) -> Result<()> {
        self.custodians[place] = None;
        let home = self.dir.join(CUSTODIANS[place]);
        self.custodians[place] = Some(Service::cheat(&home, "custodian", how)?);
        Ok(())
    }

    /// `medanchor vault` with these words, for the owner and the address book as it is now.
    ///
    /// # Errors
    /// If the program is not built.
    pub fn vault(&self, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("medanchor")?);
        command.arg("vault").args(words).arg("--home");
        command.arg(self.dir.join(OWNER)).arg("--book");
        command.arg(self.dir.join("book.toml")).stdin(Stdio::null());
        Ok(command)
    }

    /// Runs [`City::vault`] to its end; gives the exit code and all that it said.
    ///
    /// # Errors
    /// If it was killed.
    pub fn ask_vault(&self, words: &[&str]) -> Result<(i32, String)> {
        let output = self.vault(words)?.output()?;
        let code = output.status.code().context("it ended by itself")?;
        let said = [output.stdout, output.stderr].concat();
        Ok((code, String::from_utf8(said)?))
    }

    /// Runs [`City::vault`] until it has said so many lines, and then kills it, as a power cut would.
    ///
    /// # Errors
    /// If it says nothing.
    pub fn cut_off_vault(&self, words: &[&str], lines: usize) -> Result<()> {
        let mut command = self.vault(words)?;
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().context("its output")?);
        let heard = said.lines().take(lines).count();
        child.kill()?;
        child.wait()?;
        ensure!(heard > 0, "it said nothing");
        Ok(())
    }

    /// How many shares, and how many that were destroyed, a custodian's store has.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn shares(&self, name: &str) -> Result<(usize, usize)> {
        let keys = std::fs::read(self.dir.join(name).join("custodian/store/keys"))?;
        let slots = || keys.chunks_exact(128).skip(1).filter(|slot| slot[1] == 4);
        let of = |state| slots().filter(|slot| slot[0] == state).count();
        Ok((of(1), of(2)))
    }

    /// The epoch of the custodians that hold a record of the owner's, whose secret is the one that it was
    /// sealed with.
    ///
    /// # Errors
    /// If the ledger says otherwise.
    pub fn epoch_of(&self, record: RecordHandle) -> Result<u32> {
        let sdk = self.sdk(READER)?;
        let proved = sdk
            .client()
            .state(&Record::key(&OWNER.parse()?, &record), None)?;
        let value = proved.proved().value.as_deref().context("the record")?;
        let record = Record::decode(value)?;
        let sealed = sdk.client().event(&record.sealed.event)?;
        let EventBody::RecordCustody(sealed) = sealed.body() else {
            bail!("it was sealed otherwise");
        };
        let custody = record.custody.context("in custody")?;
        ensure!(
            custody.secret() == sealed.custody.secret(),
            "the same secret"
        );
        Ok(custody.epoch())
    }

    /// Writes the address book anew: these custodians, and the owner.
    ///
    /// # Errors
    /// If one of them has not been set up.
    pub fn write_book(&mut self, custodians: &[&str]) -> Result<PathBuf> {
        let mut book = String::new();
        for name in custodians {
            book += &std::fs::read_to_string(self.dir.join(name).join("custodian/entry.toml"))?;
        }
        book += &std::fs::read_to_string(self.dir.join(OWNER).join("vault-service/entry.toml"))?;
        let path = self.dir.join("book.toml");
        std::fs::write(&path, book)?;
        self.book = AddressBook::read(&path)?;
        Ok(path)
    }

    /// Kills custodians.
    pub fn stop(&mut self, custodians: &[usize]) {
        for place in custodians {
            self.custodians[*place] = None;
        }
    }

    /// Starts a custodian that was killed.
    ///
    /// # Errors
    /// If it does not listen in time.
    pub fn start_again(&mut self, place: usize) -> Result<()> {
        let home = self.dir.join(CUSTODIANS[place]);
        self.custodians[place] = Some(Service::custodian(&home)?);
        Ok(())
    }
}

/// The proposal that a proposing command printed.
///
/// # Errors
/// If it printed none.
pub fn proposal_in(said: &str) -> Result<String> {
    let mut words = said.split_whitespace();
    words.find(|word| *word == "--proposal");
    let proposal = words.next().context("the proposal is named")?;
    Ok(proposal.to_owned())
}

/// One authority proposes the custodians of the book as the set of that epoch, three approve.
///
/// # Errors
/// If anything is refused.
pub fn approve(dir: &Path, book: &Path, node: &str, epoch: u32) -> Result<()> {
    let home = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let (owner, book) = (home(OWNER), book.to_string_lossy());
    let propose = || {
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
        proposal_in(&said)
    };
    let proposal = propose()?;
    ensure!(propose()? == proposal, "the very same is proposed once");
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
            &proposal,
        ])?;
    }
    let said = run(&["governance", "custodians", "--home", &owner, "--node", node])?;
    let wanted = format!("epoch {epoch}: 3 of 5 custodians");
    ensure!(said.contains(&wanted), "{said}");
    Ok(())
}
