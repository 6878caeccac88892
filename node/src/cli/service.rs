//! `medanchor custodian` and `medanchor vault`: the services that participants ask directly.

use super::out::Out;
use crate::direct::config::ServiceConfig;
use crate::direct::home::{Part, ServiceHome};
use crate::direct::{make_store, run_custodian, run_owner};
use crate::exit::{Exit, Fatal};
use crate::output::say_bytes;
use crate::process::free_ports;
use medanchor_sdk::custody::ReleasesError;
use medanchor_sdk::direct::{AddressBook, Certificate, LinkError, book_entry};
use medanchor_sdk::{Identity, Sdk};
use medanchor_vault::custody::SealingKey;
use std::path::{Path, PathBuf};

/// Keep shares of records' keys for others
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  medanchor custodian init --home net/notary --listen 10.0.0.7:7501 --node http://127.0.0.1:8480
  medanchor custodian protect --home net/notary --passphrase-file /media/safe/passphrase
  medanchor custodian run --home net/notary
  medanchor custodian log --home net/health-office --book book.toml --of notary \\
      --out notary.releases

`init` prints the custodian's entry for others' address books. The authorities name it as a
custodian: see `medanchor governance --help`.")]
pub enum Custodian {
    /// Make what a custodian needs, and print its entry for others' address books
    ///
    /// Give the entry to every institution that seals or reads records, and to the authorities, who
    /// propose it with `medanchor governance propose-custodians`. Run again, it prints the same.
    #[command(after_help = "\
Example:
  medanchor custodian init --home net/notary --listen 10.0.0.7:7501 --node http://127.0.0.1:8480

Exit codes: 0 the entry is printed; 1 it cannot be made; 2 wrong usage; 10 vault.toml cannot be
used; 11 the identity cannot be used; 12 another process holds it; 15 the store has keys and no
release log; 16 a key or what protects it cannot be used.")]
    Init(Init),
    /// Run the custodian until it is stopped (SIGTERM, Ctrl-C)
    #[command(after_help = "\
Example:
  medanchor custodian run --home net/notary

Its log goes to standard error, and HOME/custodian/config.toml explains itself.

Exit codes: 0 stopped on request; 1 other trouble; 2 wrong usage; 10 config.toml or vault.toml
cannot be used; 11 the identity cannot be used; 12 another process holds it; 13 the port is taken;
15 a file of the store is damaged, or its log is not the one that was anchored; 16 a key,
passphrase, PIN or token cannot be used.")]
    Run(Run),
    Protect(super::protect::ProtectStore),
    Rotate(super::protect::RotateStore),
    Log(ReleaseLog),
}

/// Fetch a custodian's log of releases, for `medanchor-audit releases`
///
/// Asked by a regulator, it comes whole; by others, entries of other owners' records are hashes.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor custodian log --home net/health-office --book book.toml --of notary \\
      --out notary.releases

Exit codes: 0 the file is written; 1 the custodian refused, or gave no log; 2 wrong usage, or the
address book or the file cannot be used; 11 the identity cannot be used; 12 another process holds
it; 19 the custodian cannot be reached.")]
pub struct ReleaseLog {
    /// The home of whoever asks, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// The address book
    #[arg(long)]
    book: PathBuf,
    /// Whose log
    #[arg(long, value_name = "NAME")]
    of: medanchor_sdk::ParticipantName,
    /// A new file for it, which is there once it is whole
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Serve the records of an institution to whom the ledger permits
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  medanchor vault init --home net/north-hospital --listen 10.0.0.1:7502 --node http://127.0.0.1:8480
  medanchor vault protect --home net/north-hospital --passphrase-file /media/safe/passphrase
  medanchor vault serve --home net/north-hospital
  medanchor vault erase --home net/north-hospital --record Observation/7
  medanchor vault reshare --home net/north-hospital --all
  medanchor vault emergency open --home net/north-hospital --record Observation/7 \\
      --passphrase-file /media/safe/passphrase --actor \"Dr. Zhao\" --reason \"network down\" \\
      --out record.json

One process at a time holds an identity: stop `serve` for the others.")]
pub enum Vault {
    /// Make what the service needs, and print its entry for others' address books
    ///
    /// Give the entry to every institution that reads its records. Run again, it prints the same.
    #[command(after_help = "\
Example:
  medanchor vault init --home net/north-hospital --listen 10.0.0.1:7502 \\
      --node http://127.0.0.1:8480

Exit codes: 0 the entry is printed; 1 it cannot be made; 2 wrong usage; 11 the identity cannot be
used; 12 another process holds it; 16 the TLS key or certificate cannot be made or used.")]
    Init(Init),
    /// Run the service until it is stopped (SIGTERM, Ctrl-C)
    ///
    /// One process at a time holds an identity: an application that embeds the SDK and has it open
    /// serves from within instead. While it runs it anchors the emergency journal, if there is one, and
    /// states it once a day; and it renews the consents that run on, from a week before each quarter
    /// of a year, and puts the grantees' tickets into HOME/identity/tickets, to be handed over and
    /// removed (`medanchor consent renew`).
    #[command(after_help = "\
Example:
  medanchor vault serve --home net/north-hospital

Its log goes to standard error, and HOME/vault-service/config.toml explains itself.

Exit codes: 0 stopped on request; 1 other trouble; 2 wrong usage; 10 config.toml cannot be used;
11 the identity cannot be used, by the passphrase that vault.toml names, say; 12 another process
holds it; 13 the port is taken; 16 the TLS key or certificate cannot be used.")]
    Serve(Run),
    Protect(super::protect::Protect),
    Rotate(super::protect::Rotate),
    Payloads(super::payloads::Payloads),
    Erase(super::erase::Erase),
    Reshare(super::reshare::Reshare),
    #[command(subcommand)]
    Emergency(super::emergency::Emergency),
}

/// Makes a service's folder.
#[derive(clap::Args)]
pub struct Init {
    /// The participant's home, with identity/ as `medanchor network new` makes it
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// Where to listen; port 0 takes one that is free now
    #[arg(long, default_value = "127.0.0.1:7501")]
    listen: std::net::SocketAddr,
    /// The host by which others reach it; the listening address if left out
    #[arg(long)]
    host: Option<String>,
    /// A node to ask what the ledger says; give several
    #[arg(long = "node", value_name = "URL", required = true)]
    nodes: Vec<String>,
}

/// Runs a service.
#[derive(clap::Args)]
pub struct Run {
    /// The participant's home
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
}

/// Does what `medanchor custodian` says.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn custodian(command: &Custodian) -> Result<Exit, Fatal> {
    match command {
        Custodian::Init(init) => make(init, Part::Custodian),
        Custodian::Run(run) => run_custodian(&ServiceHome::new(&run.home, Part::Custodian)),
        Custodian::Protect(protect) => super::protect::protect_store(protect),
        Custodian::Rotate(rotate) => super::protect::rotate_store(rotate),
        Custodian::Log(args) => release_log(args),
    }
}

/// Does what `medanchor vault` says.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn vault(command: &Vault) -> Result<Exit, Fatal> {
    match command {
        Vault::Init(init) => make(init, Part::Owner),
        Vault::Serve(run) => run_owner(&ServiceHome::new(&run.home, Part::Owner)),
        Vault::Protect(protect) => super::protect::protect(protect),
        Vault::Rotate(rotate) => super::protect::rotate(rotate),
        Vault::Payloads(payloads) => super::payloads::run(payloads),
        Vault::Erase(erase) => super::erase::run(erase),
        Vault::Reshare(reshare) => super::reshare::run(reshare),
        Vault::Emergency(command) => super::emergency::run(command),
    }
}

fn failed(what: impl std::fmt::Display) -> Fatal {
    Fatal::new(Exit::Failure, what.to_string())
}

/// No node is asked: whether the log is the anchored one is for the auditor to say.
fn release_log(args: &ReleaseLog) -> Result<Exit, Fatal> {
    let identity = ServiceHome::new(&args.home, Part::Custodian).identity();
    let identity = Identity::open(&identity)?;
    let book = AddressBook::read(&args.book).map_err(|e| Fatal::new(Exit::Usage, e.to_string()))?;
    let out = Out::new(Some(&args.out))?;
    let sdk = Sdk::new(identity, ["http://localhost"]).map_err(failed)?;
    let own = Certificate::generate(&[]).map_err(failed)?;
    let log = sdk.release_log(&args.of, &book, &own).map_err(no_log)?;
    out.deliver(&log)?;
    Ok(Exit::Success)
}

fn no_log(error: ReleasesError) -> Fatal {
    let exit = match &error {
        ReleasesError::NotInBook => Exit::Usage,
        ReleasesError::Link(link) if matches!(**link, LinkError::Unreachable { .. }) => {
            Exit::Unreachable
        }
        _ => Exit::Failure,
    };
    Fatal::new(exit, error.to_string())
}

fn make(init: &Init, part: Part) -> Result<Exit, Fatal> {
    let home = ServiceHome::new(&init.home, part);
    let identity = Identity::open(&home.identity())?;
    std::fs::create_dir_all(home.folder()).map_err(failed)?;
    if !home.entry().exists() {
        let share_key = match part {
            Part::Custodian => Some(make_store(&home, identity.network())?),
            Part::Owner => None,
        };
        let share_key = share_key.as_ref().map(|key| key.public());
        write_entry(init, &home, &identity, share_key)?;
    }
    say_bytes(&std::fs::read(home.entry()).map_err(failed)?)?;
    Ok(Exit::Success)
}

/// The entry comes last: where it is, all else is.
fn write_entry(
    init: &Init,
    home: &ServiceHome,
    identity: &Identity,
    share_key: Option<&SealingKey>,
) -> Result<(), Fatal> {
    let mut listen = init.listen;
    if listen.port() == 0 {
        let port = free_ports(1).map_err(failed)?.first().copied();
        listen.set_port(port.ok_or_else(|| failed("no port is free"))?);
    }
    let host = init.host.clone().unwrap_or_else(|| listen.ip().to_string());
    let certificate = certificate(&home.folder(), &host)?;
    let config = ServiceConfig::new(listen, init.nodes.clone());
    std::fs::write(home.config(), config.to_text()).map_err(failed)?;
    let address = match host.contains(':') {
        true => format!("https://[{host}]:{}", listen.port()),
        false => format!("https://{host}:{}", listen.port()),
    };
    let name = identity.participant();
    let entry = book_entry(name, &address, &certificate.to_pem(), share_key);
    let aside = home.folder().join("entry.new");
    std::fs::write(&aside, entry).map_err(failed)?;
    std::fs::rename(aside, home.entry()).map_err(failed)
}

/// The certificate of an earlier try that was cut off, or a fresh one.
fn certificate(folder: &Path, host: &str) -> Result<Certificate, Fatal> {
    let keys =
        |error: medanchor_sdk::direct::CertificateError| Fatal::new(Exit::Keys, error.to_string());
    if folder.join("tls.crt").exists() {
        return Certificate::load(folder).map_err(keys);
    }
    // The certificate is written after the key; a key without one was never shown to anybody.
    let _ = std::fs::remove_file(folder.join("tls.key"));
    let certificate = Certificate::generate(&[host.to_owned()]).map_err(keys)?;
    certificate.save(folder).map_err(keys)?;
    Ok(certificate)
}
