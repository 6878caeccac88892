//! One real node, as a process, of a network of four whose three other validators the test plays:
//! over real connections, with their real keys, saying what the test says.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use medanchor_ledger::certificate::{Proposal, Vote, VoteKind};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::event::Verified;
use medanchor_ledger::execute::{BlockBuilder, Executed, View};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::{Height, ParticipantName, Round, Size, ValueId};
use medanchor_network::testing::{Heard, Player};
use medanchor_network::{PeerKey, SecretSeed};
use medanchor_node::chain::Shared;
use medanchor_node::config::Config;
use medanchor_node::keys::{Purpose, SecretKey};
use medanchor_node::network::{Layout, NodeHome};
use medanchor_node::process::NodeProcess;
use medanchor_store::{Options, Store};
use medanchor_tests::client::Client;
use medanchor_tests::network::{PATIENCE, binary, change_config, found};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::time::{Instant, timeout, timeout_at};

/// The height that the stage is about.
pub const HEIGHT: Height = Height(1);

/// A validator that the test plays.
pub struct Role {
    pub name: ParticipantName,
    pub player: Player,
    consensus: SecretKey,
    log: SecretKey,
    cosigner: SecretKey,
    cose: SecretKey,
}

impl Role {
    async fn enter(
        home: &NodeHome,
        genesis: &Genesis,
        node: &NodeHome,
        on: &NodeProcess,
    ) -> Result<Self> {
        let key = |home: &NodeHome, purpose| SecretKey::read(&home.home.keys(), purpose);
        let p2p = key(home, Purpose::P2p)?;
        let addresses = on.addresses().context("the node listens")?;
        let player = Player::join(
            genesis.network_id(),
            SecretSeed::new(*p2p.seed()),
            PeerKey::new(*key(node, Purpose::P2p)?.public().as_bytes()),
            addresses.p2p,
        );
        Ok(Self {
            name: home.name.clone(),
            player: timeout(PATIENCE, player)
                .await
                .context("the node did not let a member in")?
                .map_err(anyhow::Error::msg)?,
            consensus: key(home, Purpose::Consensus)?,
            log: key(home, Purpose::Log)?,
            cosigner: key(home, Purpose::Cosigner)?,
            cose: key(home, Purpose::Cose)?,
        })
    }
}

/// See the module.
pub struct Stage {
    pub genesis: Genesis,
    pub node: NodeHome,
    program: PathBuf,
    pub process: NodeProcess,
    /// In the order in which they propose; the real node comes last.
    pub roles: Vec<Role>,
    /// All that the players have heard, in the order in which each did.
    pub heard: Vec<Heard>,
    /// The state before the height.
    store: Store,
    layout: Layout,
    _dir: TempDir,
}

/// Nothing moves a round but what the test says; blocks that the test builds may be old.
fn adjust(config: &mut Config) {
    config.consensus.propose_timeout_ms = 600_000;
    config.consensus.vote_timeout_ms = 500;
    config.consensus.heartbeat_ms = 600_000;
    config.consensus.max_clock_skew_ms = 600_000;
}

impl Stage {
    /// A stage whose node has just been started for the first time.
    pub async fn set() -> Result<Self> {
        Self::set_with(|_| binary("medanchor")).await
    }

    /// A stage whose node is started by the program that is made for its home.
    pub async fn set_with(program: impl FnOnce(&NodeHome) -> Result<PathBuf>) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let layout = found(&dir.path().join("net"), 4)?;
        for node in &layout.nodes {
            change_config(node, &adjust)?;
        }
        let store = genesis_store(&dir.path().join("state"), &layout.genesis)?;
        let order: Vec<_> = store
            .view()
            .head()
            .schedule
            .order()
            .into_iter()
            .cloned()
            .collect();
        let home = |name: &ParticipantName| {
            let found = layout.nodes.iter().find(|node| node.name == *name);
            found.cloned().context("a home for each validator")
        };
        let (last, others) = order.split_last().context("validators")?;
        let node = home(last)?;
        let program = program(&node)?;
        let process = NodeProcess::start(&program, &node.home, &[], PATIENCE)?;
        let mut roles = Vec::new();
        for name in others {
            roles.push(Role::enter(&home(name)?, &layout.genesis, &node, &process).await?);
        }
        Ok(Self {
            genesis: layout.genesis.clone(),
            node,
            program,
            process,
            roles,
            heard: Vec::new(),
            store,
            layout,
            _dir: dir,
        })
    }

    /// Starts the node again, and has the players meet it.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = NodeProcess::start(&self.program, &self.node.home, &[], PATIENCE)?;
        let names: Vec<_> = self.roles.drain(..).map(|role| role.name).collect();
        self.heard.clear();
        for name in names {
            let home = self.layout.nodes.iter().find(|node| node.name == name);
            let home = home.context("a home for each validator")?;
            let role = Role::enter(home, &self.genesis, &self.node, &self.process).await?;
            self.roles.push(role);
        }
        Ok(())
    }

    /// A valid block of the height, as the proposer of `round` builds it.
    pub fn block(&self, round: u32, events: &[Verified]) -> Result<Executed> {
        let view = self.store.view();
        // Two rounds give two times, as they do in life.
        let now = Shared::clock().plus_millis(u64::from(round));
        let mut builder = BlockBuilder::new(&view, now)?;
        for event in events {
            builder
                .push(event)?
                .map_err(|rejection| anyhow::anyhow!("{rejection:?}"))?;
        }
        let proposer = self.proposer(round)?;
        Ok(builder.finish()?.seal(Round(round), proposer.name.clone()))
    }

    /// Whose turn a round is; every fourth is the node's own.
    fn proposer(&self, round: u32) -> Result<&Role> {
        let turn = round as usize % (self.roles.len() + 1);
        self.roles.get(turn).context("a round of a role")
    }

    /// A role proposes a block in a round.
    pub fn propose(&self, round: u32, block: &Executed) -> Result<()> {
        let role = self.proposer(round)?;
        let proposal = Proposal {
            network: self.genesis.network_id(),
            height: HEIGHT,
            round: Round(round),
            pol_round: None,
            value: block.value_id,
            proposer: role.name.clone(),
        };
        let body = Bytes::from(block.encode_block());
        let key = role.consensus.signing_key();
        sent(role.player.propose(&proposal, &body, key))
    }

    pub fn ballot(
        &self,
        name: &ParticipantName,
        kind: VoteKind,
        round: u32,
        value: Option<ValueId>,
    ) -> Vote {
        Vote {
            network: self.genesis.network_id(),
            kind,
            height: HEIGHT,
            round: Round(round),
            value,
            validator: name.clone(),
        }
    }

    /// Some of the roles vote.
    pub fn vote(
        &self,
        who: &[usize],
        kind: VoteKind,
        round: u32,
        value: Option<ValueId>,
    ) -> Result<()> {
        for place in who {
            let role = self.roles.get(*place).context("a role")?;
            let vote = self.ballot(&role.name, kind, round, value);
            sent(role.player.vote(&vote, role.consensus.signing_key()))?;
        }
        Ok(())
    }

    /// All roles cosign the log after a block.
    pub fn cosign(&self, block: &Executed) -> Result<()> {
        let checkpoint = Checkpoint {
            origin: self.genesis.origin().clone(),
            size: block.head.frontier.size(),
            root: block.log_root(),
        };
        for role in &self.roles {
            let (log, cosigner) = (role.log.signing_key(), role.cosigner.signing_key());
            let record =
                Cosignature::sign(&checkpoint, &role.name, log, cosigner, Shared::clock())?
                    .with_cose(&checkpoint, role.cose.signing_key());
            sent(role.player.cosign(record.encode()))?;
        }
        Ok(())
    }

    /// Waits until every player has heard what `wanted` looks for.
    pub async fn hear(&mut self, what: &str, mut wanted: impl FnMut(&Heard) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for role in &mut self.roles {
            loop {
                let next = timeout_at(deadline, role.player.hear()).await;
                let Some(heard) = next.with_context(|| format!("{what} was not heard"))? else {
                    bail!("the connection ended before {what} was heard");
                };
                let found = wanted(&heard);
                self.heard.push(heard);
                if found {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Waits until every player has heard this vote of the node.
    pub async fn hear_vote(
        &mut self,
        kind: VoteKind,
        round: u32,
        value: Option<ValueId>,
    ) -> Result<()> {
        let vote = Heard::Vote(self.ballot(&self.node.name, kind, round, value));
        self.hear(&format!("{vote:?}"), |heard| *heard == vote)
            .await
    }

    /// The node's cosignatures of a size that were heard so far.
    pub fn cosigned(&self, size: Size) -> Vec<Cosignature> {
        let records = self.heard.iter().filter_map(|heard| match heard {
            Heard::Cosignature(record) => Cosignature::decode(record).ok(),
            _ => None,
        });
        records
            .filter(|record| record.size == size && record.validator == self.node.name)
            .collect()
    }

    /// The node's own consensus key, which it does not know the test has.
    pub fn stolen_key(&self) -> Result<SecretKey> {
        Ok(SecretKey::read(&self.node.home.keys(), Purpose::Consensus)?)
    }

    pub fn client(&self) -> Client {
        Client::new(format!("http://{}", self.node.http), PATIENCE)
    }

    /// The node's evidence: kind, signed bytes with the signature behind them.
    pub fn evidence(&self) -> Vec<(String, Vec<u8>)> {
        let kept = std::fs::read_to_string(self.node.home.data().join("evidence"));
        let kept = kept.unwrap_or_default();
        let lines = kept.lines().filter_map(|line| {
            let (kind, bytes) = line.split_once(' ')?;
            Some((kind.to_owned(), hex::decode(bytes).ok()?))
        });
        lines.collect()
    }
}

fn genesis_store(dir: &Path, genesis: &Genesis) -> Result<Store> {
    let none = |_: &_, _: &_| Err("a new home replays nothing".into());
    Ok(Store::open(dir, genesis, Options::default(), none)?)
}

fn sent(there_was_room: bool) -> Result<()> {
    match there_was_room {
        true => Ok(()),
        false => bail!("the node is not connected, or does not read"),
    }
}
