//! The ledger as HTTP clients read it: over the store, the pool and the network's status.
//!
//! What always holds: a receipt is made under the newest published checkpoint and only for entries
//! that it covers; nothing here changes anything.

use crate::chain::Shared;
use crate::checkpoints;
use crate::config::Config;
use crate::http::consistency::Consistent;
use crate::http::service::{Covered, PeerStatus, Provable, Published, Reads, Status};
use crate::proofs;
use bytes::Bytes;
use medanchor_ledger::consistency::ConsistencyReceipt;
use medanchor_ledger::cose_receipt::{CoseProof, TransparentStatement};
use medanchor_ledger::event::Event;
use medanchor_ledger::execute::View;
use medanchor_ledger::merkle::bundle::BundleId;
use medanchor_ledger::merkle::tile::TileId;
use medanchor_ledger::merkle::{consistency_proof, inclusion_proof, root_at};
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{
    EventId, Height, Index, ParticipantName, PolicyHash, ReadFailed, Size, Tag,
};
use std::sync::Arc;

/// The ledger as HTTP clients read it.
pub struct LedgerReads {
    shared: Arc<Shared>,
    config: Config,
}

impl LedgerReads {
    /// Reads over what the node has.
    #[must_use]
    pub const fn new(shared: Arc<Shared>, config: Config) -> Self {
        Self { shared, config }
    }

    /// An entry's receipt under this checkpoint, if it covers it.
    fn receipt_under(
        &self,
        published: Option<Published>,
        index: Index,
    ) -> Result<Option<String>, ReadFailed> {
        let Some(published) = published.filter(|published| index.0 < published.checkpoint.size.0)
        else {
            return Ok(None);
        };
        let receipt = proofs::receipt_under(&self.shared.store, &published, index)?;
        Ok(Some(receipt.to_string()))
    }

    fn peers(&self) -> Vec<PeerStatus> {
        let Some(network) = self.shared.network.get() else {
            return Vec::new();
        };
        let known = &self.config.p2p.peers;
        let status = |peer: &medanchor_network::PeerStatus| {
            let key = peer.key.to_string();
            let name = known.iter().find(|known| known.key == key);
            PeerStatus {
                name: name.map(|known| known.name.to_string()).unwrap_or_default(),
                key,
                connected: peer.connected,
            }
        };
        network.status().peers.iter().map(status).collect()
    }
}

impl Reads for LedgerReads {
    fn index_of(&self, id: &EventId) -> Result<Option<Index>, ReadFailed> {
        Ok(self.shared.store.index_of(id)?)
    }

    fn entry(&self, index: Index) -> Result<Option<Bytes>, ReadFailed> {
        Ok(self.shared.store.entry(index)?.map(Bytes::from))
    }

    fn receipt(&self, index: Index) -> Result<Option<String>, ReadFailed> {
        self.receipt_under(self.shared.published.borrow().clone(), index)
    }

    fn witnessed_receipt(&self, index: Index) -> Result<Option<String>, ReadFailed> {
        self.receipt_under(self.shared.witnessed.borrow().clone(), index)
    }

    fn statement(&self, index: Index) -> Result<Covered<TransparentStatement>, ReadFailed> {
        let published = self.shared.published.borrow().clone();
        let covering = published.filter(|published| index.0 < published.checkpoint.size.0);
        let (Some(published), Some(entry)) = (covering, self.shared.store.entry(index)?) else {
            return Ok(Covered::NotYet);
        };
        let path = inclusion_proof(&self.shared.store.nodes(), index, published.checkpoint.size)
            .map_err(|error| ReadFailed(Box::new(error)))?;
        let proof = CoseProof::Inclusion { index, path };
        let receipts = published.cosigned.and_then(|all| all.cose_receipts(&proof));
        let Some(receipts) = receipts else {
            return Ok(Covered::NoQuorum);
        };
        let event = Event::decode(&entry).map_err(|error| ReadFailed(Box::new(error)))?;
        Ok(Covered::Yes(TransparentStatement { event, receipts }))
    }

    fn consistency(&self, old: Size, new: Option<Size>) -> Result<Option<Consistent>, ReadFailed> {
        let (store, genesis) = (&self.shared.store, &self.shared.genesis);
        let new = new.unwrap_or_else(|| store.published());
        if new < old {
            return Ok(None);
        }
        let Some(gathering) = checkpoints::at(store, genesis, new)? else {
            return Ok(None);
        };
        let nodes = store.nodes();
        let path =
            consistency_proof(&nodes, old, new).map_err(|error| ReadFailed(Box::new(error)))?;
        let Some(checkpoint) = gathering.note() else {
            return Ok(None);
        };
        let receipt = ConsistencyReceipt {
            old,
            old_root: root_at(&nodes, old)?,
            proof: path.clone(),
            checkpoint,
        };
        let proof = CoseProof::Consistency { old, path };
        let cose = gathering.cose_receipts(&proof).filter(|_| old < new);
        Ok(Some(Consistent { receipt, cose }))
    }

    fn policy_chain(&self) -> Result<Option<Bytes>, ReadFailed> {
        let chain = self.shared.store.published_log().policy_chain()?;
        Ok(chain.map(Bytes::from))
    }

    fn seal(&self, height: Height) -> Result<Option<Seal>, ReadFailed> {
        let store = &self.shared.store;
        let Some((_, size)) = store.view().block_range(height)? else {
            return Ok(None);
        };
        let Some(entry) = store.entry(Index(size.0.saturating_sub(1)))? else {
            return Ok(None);
        };
        Seal::decode(&entry)
            .map(Some)
            .map_err(|error| ReadFailed(Box::new(error)))
    }

    fn value(&self, key: &StateKey) -> Result<(Height, Option<Vec<u8>>), ReadFailed> {
        let view = self.shared.store.view();
        Ok((view.head().height, view.value(key)?))
    }

    fn state_document(
        &self,
        key: &StateKey,
        height: Option<Height>,
    ) -> Result<Provable, ReadFailed> {
        proofs::state_document(&self.shared, key, height)
    }

    fn history(
        &self,
        owner: &ParticipantName,
        tag: &Tag,
        first: u64,
    ) -> Result<Provable, ReadFailed> {
        proofs::history(&self.shared, owner, tag, first)
    }

    fn access_receipt(&self, id: &EventId) -> Result<Provable, ReadFailed> {
        proofs::access_receipt(&self.shared, id)
    }

    fn is_checkpointed(&self, height: Height) -> Result<bool, ReadFailed> {
        let published = self.shared.published.borrow().clone();
        let range = self.shared.store.view().block_range(height)?;
        Ok(match (published, range) {
            (Some(published), Some((_, end))) => end <= published.checkpoint.size,
            _ => false,
        })
    }

    fn tile(&self, path: &str) -> Result<Option<Bytes>, ReadFailed> {
        let path = format!("tile/{path}");
        let store = &self.shared.store;
        let found = match (path.parse::<BundleId>(), path.parse::<TileId>()) {
            (Ok(bundle), _) => store.bundle(bundle)?,
            (_, Ok(tile)) => store.tile(tile)?,
            _ => None,
        };
        Ok(found.map(Bytes::from))
    }

    fn policy(&self, hash: &PolicyHash) -> Result<Option<Bytes>, ReadFailed> {
        Ok(self
            .shared
            .store
            .published_log()
            .policy(hash)?
            .map(Bytes::from))
    }

    fn current_policy(&self) -> PolicyHash {
        self.shared.store.view().head().next_policy
    }

    fn status(&self) -> Status {
        let view = self.shared.store.view();
        let head = view.head();
        let published = self
            .shared
            .published
            .borrow()
            .as_ref()
            .map(|p| p.checkpoint.size.0);
        let network = self
            .shared
            .network
            .get()
            .map(medanchor_network::Handle::status);
        let pool = self.shared.pool();
        let (pool_events, pool_bytes) = (pool.len() as u64, pool.bytes());
        drop(pool);
        Status {
            name: self.shared.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            origin: self.shared.genesis.origin().to_string(),
            validator: self.shared.votes,
            height: head.height.0,
            time: head.time.0,
            size: head.frontier.size().0,
            root: head.frontier.root().to_string(),
            state_root: view.map().root().to_string(),
            published: published.unwrap_or(0),
            round: network.as_ref().map_or(0, |status| status.round.0),
            idle: network.is_some_and(|status| status.idle),
            pool_events,
            pool_bytes,
            peers: self.peers(),
            witnesses: self.shared.witnesses(),
            publishing: None,
        }
    }

    fn not_ready(&self) -> Option<&'static str> {
        let Some(network) = self.shared.network.get() else {
            return Some("the node has not joined the network yet");
        };
        let others = self.config.p2p.peers.len();
        let connected = network
            .status()
            .peers
            .iter()
            .filter(|peer| peer.connected)
            .count();
        // Itself included, a quorum must be in reach for anything to be anchored.
        let quorum = self.shared.genesis.validators().quorum();
        if others > 0 && connected + usize::from(self.shared.votes) < quorum {
            return Some("too few peers are connected for a quorum; check the other nodes");
        }
        None
    }
}
