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
//! | `before` | releases on the request that lies signed in its folder (`agreed`) and that the ledger does not have yet, and logs a time that will fit |
//! | `twice` | releases rightly the first time, and something else the second |
//! | `mixes` | shares its share out under the right points, and seals something else to every new member |
//! | `mixes-one` | the same, to the last of the new members alone |
//!
//! | vault-service | |
//! |---|---|
//! | `lies` | releases another V than it anchored |
//! | `withholds` | says that it has no V |
//! | `refuses` | the same, signed |
//! | `spoils` | gives V, and half of the payload the first time, later the payload with a bit turned |

use anyhow::{Context, Result, bail};
use medanchor_ledger::event::{Event, EventBody};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::rules::{CustodianEpoch, CustodianSet, Record, StateValue};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{ParticipantName, RecordHandle, TlsKeyHash};
use medanchor_node::direct::config::ServiceConfig;
use medanchor_node::direct::home::{Part, ServiceHome};
use medanchor_node::direct::{Answers, Owner, Reply, serve};
use medanchor_node::http::problem::{Code, Problem};
use medanchor_sdk::custody::{ReleaseAsk, ReshareAsk, Standing, Terms, write_messages};
use medanchor_sdk::direct::{Ask, Certificate, Expected, Statement};
use medanchor_sdk::{Identity, Sdk};
use medanchor_vault::custody::{
    Custodian, Custodied, Member, Permitted, Place, Points, Release, Resharing, Share, ShareIndex,
    Signed, SubDeal, VaultRelease,
};
use medanchor_vault::key_file::{Protection, unlock};
use medanchor_vault::secret::{AnswerKey, VaultPart};
use medanchor_vault::{RecordVersion, StoredPayload};
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

struct Cheat {
    sdk: Arc<Sdk>,
    genesis: Genesis,
    how: String,
    /// Where a request lies that is agreed on with its reader.
    agreed: PathBuf,
    /// A custodian's real store.
    store: Option<Mutex<Custodian>>,
    /// An owner's real service.
    owner: Owner,
    answered: AtomicBool,
}

impl Answers for Cheat {
    const ASKS: &'static [Ask] = &[
        Ask::Release,
        Ask::Reshare,
        Ask::VaultRelease,
        Ask::Payload,
        Ask::Acknowledgements,
    ];

    fn answer(&self, ask: Ask, bytes: &[u8], channel: TlsKeyHash) -> Result<Reply, Problem> {
        if matches!(ask, Ask::Payload | Ask::Acknowledgements) || self.how == "spoils" {
            let reply = self.owner.answer(ask, bytes, channel)?;
            return match reply {
                Reply::Payload(stored, _) if self.how == "spoils" => self.spoilt(stored),
                honest => Ok(honest),
            };
        }
        let statement = self.checked(ask, bytes, channel)?;
        if self.how == "refuses" {
            return Err(self.refusal(&statement));
        }
        if self.how == "stalls" {
            // Until it is killed.
            loop {
                std::thread::park();
            }
        }
        let answered = match ask {
            Ask::VaultRelease => self.vault_release(&statement),
            Ask::Reshare => self.reshare(&statement),
            _ => self.release(&statement),
        };
        let answered = answered.map(Reply::from);
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

    fn spoilt(&self, mut stored: StoredPayload) -> Result<Reply, Problem> {
        let mut bytes = Vec::new();
        let read = stored.read_to_end(&mut bytes);
        read.map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
        let half = bytes.len() / 2;
        match self.answered.swap(true, Ordering::Relaxed) {
            false => bytes.truncate(half),
            true => bytes[half] ^= 1,
        }
        Ok(bytes.into())
    }

    fn release(&self, statement: &Statement) -> Result<Vec<u8>> {
        let ask = ReleaseAsk::decode(&statement.body)?;
        if self.how == "before" {
            return self.release_before(&ask);
        }
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
            let mut store = self.store()?;
            let released = store.release(&permitted, &ask.reader, self.sdk.now(), sign)?;
            return Ok(released.encode());
        }
        let share = made_up()?;
        let sealed = (&share, &AnswerKey::new([1; 32]));
        let release = Release::new(record, standing.event, place, sealed, &ask.reader)?;
        Ok(Signed::new(release, sign).encode())
    }

    fn release_before(&self, ask: &ReleaseAsk) -> Result<Vec<u8>> {
        let event = Event::decode(&std::fs::read(&self.agreed)?)?;
        let EventBody::AccessRequest(body) = event.body() else {
            bail!("it is no request");
        };
        let state: Record = self.value(&Record::key(&body.owner, &body.record))?;
        let custody = state.custody.as_ref().context("in custody")?;
        let permitted = Permitted {
            request: event.id(),
            record: self.custodied(&body.owner, body.record, state.version),
            place: self.place(custody.epoch())?,
            points: Points::of_custody(custody)?,
            reader: ask.reader.reader_key(),
        };
        let later = self.sdk.now().plus_millis(30_000);
        let sign = |bytes: &[u8]| self.sdk.sign_for_custody(bytes);
        let mut store = self.store()?;
        Ok(store
            .release(&permitted, &ask.reader, later, sign)?
            .encode())
    }

    fn store(&self) -> Result<MutexGuard<'_, Custodian>> {
        let store = self.store.as_ref().context("a custodian")?;
        Ok(store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything that the owner can check is right.
    fn reshare(&self, statement: &Statement) -> Result<Vec<u8>> {
        let ask = ReshareAsk::decode(&statement.body)?;
        let state: Record = self.value(&Record::key(&statement.from, &ask.record))?;
        let held = state.custody.as_ref().context("in custody")?;
        let epoch: CustodianEpoch = self.value(&CustodianEpoch::key())?;
        let set: CustodianSet = self.value(&CustodianSet::key(epoch.0))?;
        let names = set.custodians.members().iter().map(|one| one.name.clone());
        let members = names.zip(ask.keys.clone());
        let members: Vec<_> = members.map(|(name, key)| Member { name, key }).collect();
        let record = self.custodied(&statement.from, ask.record, state.version);
        let resharing = Resharing {
            record: &record,
            old: &Points::of_custody(held)?,
            contributors: &ask.contributors,
            epoch: epoch.0,
            threshold: usize::from(set.custodians.threshold()),
            members: &members,
        };
        let sign = |bytes: &[u8]| self.sdk.sign_for_custody(bytes);
        let from = self.place(held.epoch())?;
        let mut deals = self.store()?.contribute(&resharing, &from, sign)?;
        let spared = match self.how.as_str() {
            "mixes-one" => deals.len() - 1,
            _ => 0,
        };
        for (deal, key) in deals.iter_mut().zip(&ask.keys).skip(spared) {
            let terms = deal.says().terms.clone();
            *deal = Signed::new(SubDeal::new(terms, &made_up()?, key, &[1; 32])?, sign);
        }
        Ok(write_messages(&deals))
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

    /// It says, and signs, that it has no such part.
    fn refusal(&self, statement: &Statement) -> Problem {
        let code = "custody.not-here";
        let signed = || -> Result<Vec<u8>> {
            let ask = ReleaseAsk::decode(&statement.body)?;
            let standing = Standing::fetch(self.sdk.client(), &ask.access(&statement.from))?;
            let now = self.sdk.now();
            let signed = self.sdk.refuse_part(&standing, (&ask.reader, now), code);
            signed.context("its own record")
        };
        let problem = Problem::of_custody(code, false, "there is no such part here".into());
        match signed() {
            Ok(signed) => problem.with_refusal(&signed),
            Err(error) => Problem::new(Code::Internal, format!("{error:#}")),
        }
    }

    fn record(&self, standing: &Standing) -> Custodied {
        self.custodied(&standing.owner, standing.record, standing.state.version)
    }

    fn custodied(&self, owner: &ParticipantName, record: RecordHandle, version: u32) -> Custodied {
        Custodied {
            owner: owner.clone(),
            record: RecordVersion {
                network: self.sdk.network(),
                record,
                version,
            },
        }
    }

    fn value<V: StateValue>(&self, key: &StateKey) -> Result<V> {
        let proved = self.sdk.client().state(key, None)?;
        let value = proved.proved().value.as_deref().context("a value")?;
        Ok(V::decode(value)?)
    }

    fn place(&self, epoch: u32) -> Result<Place> {
        let set: CustodianSet = self.value(&CustodianSet::key(epoch))?;
        let (place, _) = (set.custodians)
            .find(self.sdk.participant())
            .context("a member")?;
        Ok(Place {
            custodian: self.sdk.participant().clone(),
            epoch,
            index: ShareIndex::new(u8::try_from(place)?).context("a place")?,
        })
    }
}

/// A share that nobody dealt.
fn made_up() -> Result<Share> {
    let mut bytes = [0; Share::LENGTH];
    (bytes[0], bytes[32]) = (5, 7);
    Share::decode(&bytes).context("a share")
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
        owner: Owner::new(
            Arc::clone(&sdk),
            genesis.clone(),
            Terms::default(),
            config.requests,
        ),
        sdk,
        genesis,
        how,
        agreed: home.folder().join("agreed"),
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
