//! An imaging study in custody: sealed, read and opened in an emergency through processes that never hold it.
//! The one test of its process, whose peak it reads.

#![cfg(target_os = "linux")]

use anyhow::{Context, Result, bail, ensure};
use medanchor_sdk::custody::{CustodyError, OpenedError, SealedInCustody};
use medanchor_sdk::{GrantTicket, NewAccess, NewFile, RecordLabel, Sdk, SdkError};
use medanchor_tests::city::{City, OWNER, READER};
use medanchor_tests::files::text;
use medanchor_tests::service::{Service, run};
use medanchor_vault::{Passphrase, Protection, VaultError};
use nix::sys::resource::{UsageWho, getrusage};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// More than is opened in memory.
const SIZE: u64 = 300 << 20;
/// What a process may need beside its few chunks, far below the study.
const ROOM_KIB: u64 = 48 * 1024;
/// The most that a command may ever have had: an emergency key's passphrase takes 64 MiB.
const COMMAND_KIB: i64 = 160 * 1024;
const NAME: &str = "ImagingStudy/1";
const WORDS: &str = "four horses, two carts";

/// Bytes that no two neighbouring chunks have alike.
struct Study {
    block: Vec<u8>,
    at: usize,
}

impl Study {
    fn whole() -> impl Read {
        let block = (0u32..65_537).map(|number| number.to_le_bytes()[usize::from(number % 3 == 0)]);
        let block = block.collect();
        Self { block, at: 0 }.take(SIZE)
    }
}

impl Read for Study {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let rest = &self.block[self.at..];
        let read = rest.len().min(room.len());
        room[..read].copy_from_slice(&rest[..read]);
        self.at = (self.at + read) % self.block.len();
        Ok(read)
    }
}

/// Most memory that a process ever had, in KiB.
fn peak_kib(process: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("a peak")?.parse()?)
}

fn grew_little(what: &str, process: &str, before: u64) -> Result<()> {
    let grown = peak_kib(process)? - before;
    ensure!(grown < ROOM_KIB, "{what}: {grown} KiB for {SIZE} bytes");
    Ok(())
}

/// The file is the study; it is removed.
fn is_study(path: &Path) -> Result<()> {
    let (mut file, mut study) = (File::open(path)?, Study::whole());
    ensure!(file.metadata()?.len() == SIZE);
    let (mut found, mut wanted) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for _ in 0..SIZE >> 20 {
        file.read_exact(&mut found)?;
        study.read_exact(&mut wanted)?;
        ensure!(found == wanted, "the study's bytes");
    }
    Ok(std::fs::remove_file(path)?)
}

fn seal(city: &City, owner: &Sdk, study: impl Read) -> Result<SealedInCustody, CustodyError> {
    let label = RecordLabel {
        name: NAME,
        version: 1,
        subject: "Patient/1",
        class: "laboratory",
    };
    let circle = owner.custodians(&city.book)?;
    owner.seal_stream_in_custody(&label, study, &circle, &city.certificate)
}

/// Not anchored while a custodian has not acknowledged; gone on with by the same bytes and no others.
fn seal_in_the_end(city: &mut City, owner: &Sdk) -> Result<SealedInCustody> {
    city.stop(&[4]);
    let refused = seal(city, owner, Study::whole());
    ensure!(
        matches!(&refused, Err(CustodyError::NotAcknowledged { name, .. }) if name.as_str() == "ethics"),
        "{refused:?}"
    );
    let other = seal(city, owner, io::repeat(7).take(SIZE));
    let taken = |error: &CustodyError| {
        matches!(
            error,
            CustodyError::Sdk(SdkError::Vault(VaultError::Taken { .. }))
        )
    };
    ensure!(other.as_ref().is_err_and(taken), "{other:?}");
    city.start_again(4)?;
    let sealed = seal(city, owner, Study::whole())?;
    let deals = city.dir.join(OWNER).join("identity/deals");
    ensure!(std::fs::read_dir(deals)?.next().is_none());
    ensure!(owner.open_record(NAME, 1).is_err(), "its key is shared out");
    Ok(sealed)
}

fn access(ticket: &GrantTicket) -> NewAccess<'_> {
    NewAccess {
        name: "the study",
        ticket,
        record: ticket.records[0].record,
        purpose: "TREAT",
        actor: "Dr. Li",
        reason: "a consultation",
    }
}

#[test]
fn a_study_larger_than_memory_goes_into_custody_and_comes_out_of_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let owner = city.sdk(OWNER)?;
    owner.make_emergency_key(&Protection::Passphrase(Passphrase::new(WORDS.into())))?;
    let before = peak_kib("self")?;
    let sealed = seal_in_the_end(&mut city, &owner)?;
    grew_little("the owner's application", "self", before)?;
    let until = owner.now().plus_millis(3_600_000);
    let ticket = city.grant(&owner, "consent", NAME, until)?;
    drop(owner);

    let vault = Service::vault(&dir.path().join(OWNER))?;
    let (service, reader) = (vault.pid().to_string(), city.sdk(READER)?);
    let (before, before_service) = (peak_kib("self")?, peak_kib(&service)?);
    let out = dir.path().join("study.dcm");
    let file = NewFile::begin(&out)?;
    let opened = reader.read_into(&access(&ticket), file, &city.book, &city.certificate)?;
    grew_little("the reader's application", "self", before)?;
    grew_little("the owner's service", &service, before_service)?;
    ensure!(opened.length == SIZE && opened.sealed == sealed.anchored.id());
    is_study(&out)?;
    match reader.read(&access(&ticket), &city.book, &city.certificate) {
        Err(OpenedError::TooLarge) => {}
        Err(other) => bail!("another error: {other}"),
        Ok(_) => bail!("it was opened in memory"),
    }
    drop(reader);

    break_glass(&city, &sealed, &out)?;
    is_study(&out)?;
    drop(vault);
    open_in_emergency(&city, &out)?;
    is_study(&out)?;
    let most = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    ensure!(most < COMMAND_KIB, "a process that ended had {most} KiB");
    Ok(())
}

fn break_glass(city: &City, sealed: &SealedInCustody, out: &Path) -> Result<()> {
    let (home, book) = (city.dir.join(READER), city.dir.join("book.toml"));
    let (client, record) = (city.network.client(0), sealed.record.to_string());
    let node = client.url();
    let words = ["access", "break-glass", "--owner", OWNER, "--name", "er-1"];
    let place = [
        "--home",
        text(&home)?,
        "--node",
        node,
        "--book",
        text(&book)?,
    ];
    let what = ["--record", &record, "--out", text(out)?];
    let why = ["--actor", "Dr. Zhao", "--reason", "unconscious"];
    run(&[&words[..], &place, &what, &why].concat()).map(drop)
}

fn open_in_emergency(city: &City, out: &Path) -> Result<()> {
    let (home, secret) = (city.dir.join(OWNER), city.dir.join("passphrase"));
    let mut options = File::options();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&secret);
    file?.write_all(WORDS.as_bytes())?;
    let words = ["vault", "emergency", "open", "--record", NAME];
    let place = ["--home", text(&home)?, "--passphrase-file", text(&secret)?];
    let why = ["--actor", "Dr. Zhao", "--reason", "the network is down"];
    run(&[&words[..], &place, &["--out", text(out)?], &why].concat()).map(drop)
}
