//! What is said about who is connected in whose name.
//!
//! Every process draws an [`Instance`] when it starts and says it first on every connection. A node
//! tells each connection of a peer which instances it sees in that peer's name. A validator that
//! so hears of another instance than its own signs that instance with its consensus key, and the
//! peer passes this on to the instance. Whoever gets back its own instance, signed with its own
//! key, knows that another process holds the key: nothing old can be replayed to it, since it drew
//! the instance itself, and nobody can make it up.
//!
//! | bytes | what |
//! |---|---|
//! | 1, then 16 | I am this instance |
//! | 2, count in 1 byte, then 16 each, ascending | I see these in your name |
//! | 3, then 16, then 64 | the instance, signed by another that is alive |

use super::{Frame, Kind};
use crate::bytes::{Malformed, Reader, Writer};
use medanchor_ledger::NetworkId;
use std::collections::BTreeSet;

/// More connections than this no peer has (`CONNECTIONS_PER_PEER`).
const MAX_SEEN: usize = 4;
/// The longest message.
pub const MAX_PRESENCE_BYTES: usize = 1 + 16 + 64;

/// A process that speaks for a node: drawn at random when it starts.
pub type Instance = [u8; 16];

/// A message about presence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Presence {
    /// This is who speaks on this connection.
    Here(Instance),
    /// These are connected in the receiver's name.
    Seen(BTreeSet<Instance>),
    /// Another process signed this instance.
    Alive(Instance, [u8; 64]),
}

impl Presence {
    /// As it goes over the wire.
    pub fn frame(&self) -> Frame {
        let mut w = Writer::default();
        match self {
            Self::Here(instance) => w.u8(1).put(instance),
            Self::Seen(seen) => {
                let most = seen.iter().take(MAX_SEEN);
                // At most MAX_SEEN, which fits.
                w.u8(2).u8(most.len() as u8);
                most.fold(&mut w, |w, instance| w.put(instance))
            }
            Self::Alive(instance, signature) => w.u8(3).put(instance).put(signature),
        };
        Frame::new(Kind::Presence, w.0)
    }

    /// Reads what [`Presence::frame`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "presence");
        let presence = match r.u8()? {
            1 => Self::Here(r.array()?),
            2 => Self::Seen(read_seen(&mut r)?),
            3 => Self::Alive(r.array()?, r.array()?),
            _ => return Err(r.malformed()),
        };
        r.end()?;
        Ok(presence)
    }
}

fn read_seen(r: &mut Reader<'_>) -> Result<BTreeSet<Instance>, Malformed> {
    let count = usize::from(r.u8()?);
    let mut seen = BTreeSet::new();
    for _ in 0..count {
        let instance: Instance = r.array()?;
        let ascends = seen.last().is_none_or(|last| *last < instance);
        if seen.len() == MAX_SEEN || !ascends {
            return Err(r.malformed());
        }
        seen.insert(instance);
    }
    Ok(seen)
}

/// What is signed to tell `instance` that another process is alive.
pub fn alive_bytes(network: &NetworkId, instance: &Instance) -> Vec<u8> {
    let mut w = Writer::default();
    w.put(b"medanchor/alive/v1").put(network.as_bytes());
    w.put(instance);
    w.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_nothing_else_is_read() {
        let seen = |ends: &[u8]| Presence::Seen(ends.iter().map(|end| [*end; 16]).collect());
        let messages = [
            Presence::Here([7; 16]),
            seen(&[]),
            seen(&[1, 2, 3, 4]),
            Presence::Alive([7; 16], [8; 64]),
        ];
        for message in messages {
            let bytes = message.frame().body;
            assert!(bytes.len() <= MAX_PRESENCE_BYTES);
            assert_eq!(Presence::decode(&bytes).unwrap(), message);
            assert!((0..bytes.len()).all(|cut| Presence::decode(&bytes[..cut]).is_err()));
            assert!(Presence::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
        let list = |ends: &[u8]| {
            let mut bytes = vec![2, ends.len() as u8];
            ends.iter().for_each(|end| bytes.extend([*end; 16]));
            Presence::decode(&bytes)
        };
        assert!(list(&[1, 2]).is_ok());
        for refused in [&[2, 1][..], &[1, 1], &[1, 2, 3, 4, 5]] {
            assert!(list(refused).is_err(), "{refused:?}");
        }
    }
}
