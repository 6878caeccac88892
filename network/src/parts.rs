//! A block on the wire: a manifest that its proposer signed, then the chunks that it lists.
//!
//! What always holds: a chunk is kept only if the manifest names its hash, so every byte is
//! covered by the proposer's signature (the engine signs none of it, ENGINE rule 2); a publisher
//! has at most one block under way, of at most [`MAX_BLOCK_BYTES`], and the cap is held while
//! receiving; a complete block has exactly the length that the manifest says.

use crate::bytes::{Malformed, Reader, Writer};
use crate::limits::{MAX_BLOCK_BYTES, MAX_PARTS, PART_BYTES};
use ::bytes::{Bytes, BytesMut};
use medanchor_ledger::{Height, NetworkId, ParticipantName, Round, ValueId};
use sha2::{Digest, Sha256};

const WHAT: &str = "block manifest";

/// What a proposer says of a block before it sends it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// The height of the proposal.
    pub height: Height,
    /// Its round.
    pub round: Round,
    /// Its proof-of-lock round, if the block is proposed again.
    pub pol_round: Option<Round>,
    /// Who proposes.
    pub proposer: ParticipantName,
    /// What is proposed.
    pub value_id: ValueId,
    /// The length of the block.
    pub length: usize,
    /// SHA-256 of each chunk in order; all but the last have [`PART_BYTES`].
    pub chunks: Vec<[u8; 32]>,
}

/// A manifest and the proposer's signature, not checked yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// Over [`Manifest::signed_bytes`], under the proposer's consensus key.
    pub signature: [u8; 64],
}

impl Manifest {
    /// The manifest of `body`; the other fields are what is proposed.
    pub fn of(
        (height, round, pol_round): (Height, Round, Option<Round>),
        proposer: ParticipantName,
        value_id: ValueId,
        body: &[u8],
    ) -> Self {
        let chunks = body
            .chunks(PART_BYTES)
            .map(|chunk| Sha256::digest(chunk).into())
            .collect();
        Self {
            height,
            round,
            pol_round,
            proposer,
            value_id,
            length: body.len(),
            chunks,
        }
    }

    /// What the proposer signs: domain, network and every field.
    pub fn signed_bytes(&self, network: &NetworkId) -> Vec<u8> {
        let mut w = Writer::default();
        w.put(b"medanchor/parts/v1").put(network.as_bytes());
        self.write(&mut w);
        w.0
    }

    fn write(&self, w: &mut Writer) {
        w.u64(self.height.0).u32(self.round.0);
        w.option(self.pol_round, |w, round| {
            w.u32(round.0);
        });
        w.name(&self.proposer).put(self.value_id.as_bytes());
        w.length(self.length).length(self.chunks.len());
        self.chunks.iter().for_each(|hash| {
            w.put(hash);
        });
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let manifest = Self {
            height: Height(r.u64()?),
            round: Round(r.u32()?),
            pol_round: r.option(Reader::u32)?.map(Round),
            proposer: r.name()?,
            value_id: r.value_id()?,
            length: r.length(MAX_BLOCK_BYTES)?,
            chunks: {
                let count = r.length(MAX_PARTS)?;
                (0..count).map(|_| r.array()).collect::<Result<_, _>>()?
            },
        };
        let expected = manifest.length.div_ceil(PART_BYTES);
        if manifest.length > 0 && manifest.chunks.len() == expected {
            Ok(manifest)
        } else {
            Err(r.malformed())
        }
    }
}

impl SignedManifest {
    /// The bytes that go over the wire.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::default();
        self.manifest.write(&mut w);
        w.put(&self.signature);
        w.0.into()
    }

    /// Reads what [`SignedManifest::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] for anything else, a block that is empty or above the cap included.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, WHAT);
        let signed = Self {
            manifest: Manifest::read(&mut r)?,
            signature: r.array()?,
        };
        r.end()?;
        Ok(signed)
    }
}

/// The chunks of `body`, without copying it.
pub fn chunks(body: &Bytes) -> impl Iterator<Item = Bytes> {
    (0..body.len())
        .step_by(PART_BYTES)
        .map(|start| body.slice(start..body.len().min(start.saturating_add(PART_BYTES))))
}

/// A block that arrived whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assembled {
    /// Its manifest, whose signature is not checked yet.
    pub signed: SignedManifest,
    /// The block.
    pub body: Bytes,
}

/// Puts the parts of one publisher together. A new manifest drops what was under way.
#[derive(Default)]
pub struct Assembly(Option<(SignedManifest, BytesMut, usize)>);

impl Assembly {
    /// A block begins.
    pub fn begin(&mut self, signed: SignedManifest) {
        let room = BytesMut::with_capacity(signed.manifest.length);
        self.0 = Some((signed, room, 0));
    }

    /// Forgets the block under way.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// The next chunk; the whole block if it was the last one.
    ///
    /// # Errors
    /// [`Malformed`] if it is not the chunk that the manifest lists next. A chunk of a block that
    /// is not under way (its manifest was dropped, say) is ignored.
    pub fn chunk(&mut self, chunk: &[u8]) -> Result<Option<Assembled>, Malformed> {
        let Some((signed, body, next)) = &mut self.0 else {
            return Ok(None);
        };
        let listed = signed.manifest.chunks.get(*next);
        let fits = body.len().saturating_add(chunk.len()) <= signed.manifest.length;
        if !fits || listed != Some(&Sha256::digest(chunk).into()) {
            self.0 = None;
            return Err(Malformed {
                what: "listed block chunk",
            });
        }
        body.extend_from_slice(chunk);
        *next += 1;
        if *next < signed.manifest.chunks.len() {
            return Ok(None);
        }
        let (signed, body) = (signed.clone(), std::mem::take(body).freeze());
        self.0 = None;
        if body.len() == signed.manifest.length {
            Ok(Some(Assembled { signed, body }))
        } else {
            Err(Malformed {
                what: "block of the listed length",
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(body: &[u8]) -> SignedManifest {
        let slot = (Height(3), Round(1), Some(Round(0)));
        let name = "maker".parse().unwrap();
        let manifest = Manifest::of(slot, name, ValueId::new([7; 32]), body);
        SignedManifest {
            manifest,
            signature: [9; 64],
        }
    }

    fn body(length: usize) -> Bytes {
        (0..length).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn a_block_comes_back_whole_at_every_length_around_the_chunk_size() {
        for length in [
            1,
            PART_BYTES - 1,
            PART_BYTES,
            PART_BYTES + 1,
            MAX_BLOCK_BYTES,
        ] {
            let body = body(length);
            let signed = signed(&body);
            let decoded = SignedManifest::decode(&signed.encode()).unwrap();
            assert_eq!(decoded, signed);
            let mut assembly = Assembly::default();
            assembly.begin(decoded);
            let last = chunks(&body)
                .map(|chunk| assembly.chunk(&chunk).unwrap())
                .last();
            assert_eq!(last.unwrap().unwrap().body, body);
        }
    }

    #[test]
    fn a_block_above_the_cap_or_without_content_has_no_manifest() {
        assert!(SignedManifest::decode(&signed(&body(MAX_BLOCK_BYTES + 1)).encode()).is_err());
        assert!(SignedManifest::decode(&signed(&[]).encode()).is_err());
    }

    #[test]
    fn a_manifest_is_read_strictly() {
        let bytes = signed(&body(10)).encode();
        assert!((0..bytes.len()).all(|cut| SignedManifest::decode(&bytes[..cut]).is_err()));
        assert!(SignedManifest::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn a_chunk_that_the_manifest_does_not_list_drops_the_block() {
        let body = body(PART_BYTES * 2);
        let mut assembly = Assembly::default();
        assembly.begin(signed(&body));
        assert!(assembly.chunk(&body[..PART_BYTES - 1]).is_err());
        assert_eq!(
            assembly.chunk(&body[..PART_BYTES]),
            Ok(None),
            "nothing is under way any more"
        );
        assert!(assembly.0.is_none());
    }

    #[test]
    fn a_publisher_has_one_block_under_way() {
        let (first, second) = (body(PART_BYTES * 2), body(5));
        let mut assembly = Assembly::default();
        assembly.begin(signed(&first));
        assert_eq!(assembly.chunk(&first[..PART_BYTES]), Ok(None));
        assembly.begin(signed(&second));
        assert_eq!(assembly.chunk(&second).unwrap().unwrap().body, second);
    }

    #[test]
    fn the_signed_bytes_bind_the_network() {
        let manifest = signed(&[1]).manifest;
        let (a, b) = (NetworkId::new([1; 16]), NetworkId::new([2; 16]));
        assert_ne!(manifest.signed_bytes(&a), manifest.signed_bytes(&b));
    }
}
