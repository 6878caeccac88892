//! A custodian or an owner that does not follow the protocol: with real keys, at its real address, in a
//! process of its own. It checks what it is sent, and then answers as it likes.
//!
//! `cheat custodian|vault-service HOW --home HOME`; HOW is one of
//!
//! | custodian | |
//! |---|---|
//! | `lies` | releases a share that nobody dealt it |
//! | `stalls` | takes the request and never answers |
//! | `early` | releases and logs, whatever the ledger says |
//! | `twice` | releases rightly the first time, and something else the second |
//!
//! | vault-service | |
//! |---|---|
//! | `lies` | releases another V than it anchored |
//! | `withholds` | says that it has no V |

use anyhow::{Context, Result, bail};
use medanchor_ledger::TlsKeyHash;
use medanchor_ledger::genesis::Genesis;
use medanchor_node::direct::config::ServiceConfig;
use medanchor_node::direct::home::{Part, ServiceHome};
use medanchor_node::direct::{Answers, Owner, serve};
use medanchor_node::http::problem::{Code, Problem};
use medanchor_sdk::custody::{ReleaseAsk, Standing, Terms};
use medanchor_sdk::direct::{Ask, Certificate, Expected, Statement};
use medanchor_sdk::{Identity, Sdk};
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{
    Custodian, Custodied, Permitted, Place, Points, Release, Share, ShareIndex, Signed,
    VaultRelease,
};
use medanchor_vault::key_file::{Protection, unlock};
use medanchor_vault::secret::{AnswerKey, VaultPart};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

struct Cheat {
    sdk: Arc<Sdk>,
    genesis: Genesis,
    how: String,
    /// A custodian's real store.
    store: Option<Mutex<Custodian>>,
    /// An owner's real service.
    owner: Owner,
    answered: AtomicBool,
}

impl Answers for Cheat {
    const ASKS: &'static [Ask] = &[
        Ask::Release,
        Ask::VaultRelease,
        Ask::Payload,
        Ask::Acknowledgements,
    ];

    fn answer(&self, ask: Ask, bytes: &[u8], channel: TlsKeyHash) -> Result<Vec<u8>, Problem> {
        if matches!(ask, Ask::Payload | Ask::Acknowledgements) {
            return self.owner.answer(ask, bytes, channel);
        }
        let statement = self.checked(ask, bytes, channel)?;
        if self.how == "stalls" {
            // Until it is killed.
            loop {
                std::thread::park();
            }
        }
        let answered = match ask {
            Ask::VaultRelease => self.vault_release(&statement),
            _ => self.release(&statement),
        };
        answered.map_err(|error| Problem::new(Code::Internal, format!("{error:#}")))
    }
}

impl Cheat {
    fn checked(&self, ask: Ask, bytes: &[u8], channel: TlsKeyHash) -> Result<Statement, Problem> {
        let expected = Expected {
            network: self.sdk.network(),
            to: self.sdk.participant(),
            channel,
            now: self.sdk.now(),
            ask,
        };
        let participants = &self.genesis.spec().participants;
        let key_of = |name: &_, id: &_| participants.get(name)?.registered(id).copied();
        let checked = Statement::verify(bytes, &expected, key_of);
        let refused = |error: medanchor_sdk::direct::StatementError| {
            Problem::new(Code::BadSignature, error.to_string())
        };
        checked.map(|(statement, _)| statement).map_err(refused)
    }

    fn release(&self, statement: &Statement) -> Result<Vec<u8>> {
        let ask = ReleaseAsk::decode(&statement.body)?;
        let standing = Standing::fetch(self.sdk.client(), &ask.access(&statement.from))?;
        let custody = standing.state.custody.as_ref().context("in custody")?;
        let record = self.record(&standing);
        let place = self.place(custody.epoch())?;
        let first = !self.answered.swap(true, Ordering::Relaxed);
        let sign = |bytes: &[u8]| self.sdk.sign_for_custody(bytes);
        if self.how == "early" || self.how == "twice" && first {
            let permitted = Permitted {
                request: standing.event,
                record,
                place,
                points: Points::of_custody(custody)?,
                reader: ask.reader.reader_key(),
            };
            let store = self.store.as_ref().context("a custodian")?;
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            let released = store.release(&permitted, &ask.reader, self.sdk.now(), sign)?;
            return Ok(released.encode());
        }
        let mut made_up = [0; Share::LENGTH];
        (made_up[0], made_up[32]) = (5, 7);
        let share = Share::decode(&made_up).context("a share")?;
        let sealed = (&share, &AnswerKey::new([1; 32]));
        let release = Release::new(record, standing.event, place, sealed, &ask.reader)?;
        Ok(Signed::new(release, sign).encode())
    }

    fn vault_release(&self, statement: &Statement) -> Result<Vec<u8>> {
        if self.how == "withholds" {
            bail!("there is no such part here");
        }
        let ask = ReleaseAsk::decode(&statement.body)?;
        let standing = Standing::fetch(self.sdk.client(), &ask.access(&statement.from))?;
        let sealed = (&VaultPart::new([7; 32]), &AnswerKey::new([1; 32]));
        let sign = |bytes: &[u8]| self.sdk.sign_for_custody(bytes);
        let record = self.record(&standing);
        let released = VaultRelease::new(record, standing.event, sealed, &ask.reader, sign)?;
        Ok(released.encode())
    }

    fn record(&self, standing: &Standing) -> Custodied {
        Custodied {
            owner: standing.owner.clone(),
            record: RecordVersion {
                network: self.sdk.network(),
                record: standing.record,
                version: standing.state.version,
            },
        }
    }

    fn place(&self, epoch: u32) -> Result<Place> {
        use medanchor_ledger::rules::{CustodianSet, StateValue};
        let proved = self.sdk.client().state(&CustodianSet::key(epoch), None)?;
        let value = proved.proved().value.as_deref().context("a set")?;
        let set = CustodianSet::decode(value)?.custodians;
        let (place, _) = set.find(self.sdk.participant()).context("a member")?;
        Ok(Place {
            custodian: self.sdk.participant().clone(),
            epoch,
            index: ShareIndex::new(u8::try_from(place)?).context("a place")?,
        })
    }
}

fn open(home: &ServiceHome, config: &ServiceConfig, how: String) -> Result<Cheat> {
    let identity = Identity::open(&home.identity())?;
    let network = identity.network();
    let genesis = Genesis::decode(&std::fs::read(home.identity().join("genesis"))?)?;
    let store = match home.part() {
        Part::Custodian => {
            let key = unlock(&home.institution_key(), &Protection::Nothing)?;
            let store = Custodian::open_kept(&home.store(), key, network, None)?;
            Some(Mutex::new(store))
        }
        Part::Owner => None,
    };
    let sdk = Arc::new(Sdk::new(identity, config.nodes.clone())?);
    Ok(Cheat {
        owner: Owner::new(Arc::clone(&sdk), genesis.clone(), Terms::default()),
        sdk,
        genesis,
        how,
        store,
        answered: AtomicBool::new(false),
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [part, how, flag, home] = arguments.as_slice() else {
        bail!("cheat custodian|vault-service HOW --home HOME");
    };
    let part = match (part.as_str(), flag.as_str()) {
        ("custodian", "--home") => Part::Custodian,
        ("vault-service", "--home") => Part::Owner,
        _ => bail!("cheat custodian|vault-service HOW --home HOME"),
    };
    let home = ServiceHome::new(&PathBuf::from(home), part);
    let config = ServiceConfig::read(&home.config())?;
    let certificate = Certificate::load(&home.folder())?;
    let (opened, how) = (home.clone(), how.clone());
    let settings = config.clone();
    // The client of the SDK blocks.
    let cheat = tokio::task::spawn_blocking(move || open(&opened, &settings, how)).await??;
    let serving = serve(&config, &certificate, Arc::new(cheat));
    let serving = serving
        .await
        .map_err(|fatal| anyhow::anyhow!("{fatal:?}"))?;
    let aside = home.folder().join("address.new");
    let text = format!("{} {}\n", serving.address, std::process::id());
    std::fs::write(&aside, text)?;
    std::fs::rename(aside, home.address())?;
    std::future::pending().await
}
