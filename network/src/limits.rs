//! The bounds that every peer is held to. They are part of the protocol: all members of a network
//! run with the same ones.

use std::time::Duration;

/// The largest block body.
pub const MAX_BLOCK_BYTES: usize = 2 * 1024 * 1024;
/// The size of a block part on the wire; the last one may be shorter.
pub const PART_BYTES: usize = 256 * 1024;
/// The most parts of one block.
pub const MAX_PARTS: usize = MAX_BLOCK_BYTES / PART_BYTES;
/// The largest batch of events in one message, with its length prefixes.
pub const MAX_EVENT_BATCH_BYTES: usize = 256 * 1024;
/// The most events in one batch.
pub const MAX_EVENT_BATCH: usize = 4096;
/// The largest event.
pub const MAX_EVENT_BYTES: usize = 8 * 1024;
/// The largest cosignature message.
pub const MAX_COSIGNATURE_BYTES: usize = 4 * 1024;
/// The most validators of one height.
pub const MAX_VALIDATORS: usize = 100;
/// The most peers in a configuration.
pub const MAX_PEERS: usize = 256;
/// Decided blocks asked for in one request (ENGINE rule 9).
pub const SYNC_BATCH: usize = 50;
/// The largest answer to such a request.
pub const MAX_SYNC_RESPONSE_BYTES: usize = 8 * 1024 * 1024;
/// The largest vote, proposal, certificate or status on the wire.
pub const MAX_CONSENSUS_MESSAGE_BYTES: usize = 64 * 1024;
/// How long a validator's process waits to be told that nobody else votes with its key, before it
/// votes although too few peers have answered.
pub const PRESENCE_PATIENCE: Duration = Duration::from_secs(3);
/// A connection that has not finished its handshake by then is cut.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections that may be in their handshake at one time.
pub const MAX_PENDING_CONNECTIONS: u32 = 64;
/// A peer that takes longer to take one message is cut.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
