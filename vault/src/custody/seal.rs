//! Sealing to a key with HPKE (RFC 9180), so that whoever opened it can show a third party what was
//! inside without giving away the key.
//!
//! What always holds: what a message says is part of the context under which its sealed part was
//! sealed, so it opens under no other; the sealer's ephemeral key follows from what it seals, so the
//! same contents give the same bytes, and the contents that a recipient reveals can be sealed again
//! and compared: there is exactly one opening of an honest sealer's bytes.
//!
//! ```text
//! suite 1   DHKEM(X25519, HKDF-SHA256) 0x0020, HKDF-SHA256 0x0001, ChaCha20Poly1305 0x0003, mode base
//! suite 2   X-Wing                     0x647a, the same
//! plaintext contents || seed (32 random bytes)
//! coins n   HKDF-SHA256(plaintext; salt "medanchor/custody-coins/v1"; info reader key (33) || SHA-256(context) || n)
//! ```
//!
//! Suite 1 draws one coin of 32 bytes, RFC 9180's `ikm` of the ephemeral key; suite 2 draws two, which
//! are X-Wing's 64 random bytes.

use crate::secret::{RandomFailed, expand, extract, random};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable};
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::event::{KemSuite, ReaderKey};
use medanchor_ledger::sha256;
use ring::hkdf::Prk;
use std::convert::Infallible;
use zeroize::Zeroizing;

/// The longest encapsulated key, in bytes: X-Wing's.
pub const MAX_ENCAPSULATED: usize = 1120;
/// The longest public key, in bytes: X-Wing's.
pub const MAX_PUBLIC: usize = 1216;
/// Bytes of the random seed that follows the contents.
pub const SEED: usize = 32;
const TAG: usize = 16;
/// The most bytes that are sealed, without seed and tag.
pub const MAX_CONTENTS: usize = 64;

/// Why nothing was sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A public key that none can be.
    #[error("the public key is not one of its suite; ask its holder for the right one")]
    Public,
    /// A suite that this release does not know.
    #[error("the key is of a suite that this release does not know; use X25519 or X-Wing")]
    Suite,
    /// The sealed part does not open.
    #[error(
        "the sealed part does not open with this key under what the message says; ask for it again, and keep it as evidence"
    )]
    Closed,
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// A public key to seal to. Which kind it is follows from its suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingKey {
    suite: KemSuite,
    bytes: Vec<u8>,
}

enum Secret {
    X25519(<X25519HkdfSha256 as Kem>::PrivateKey),
    XWing(Box<<XWing as Kem>::PrivateKey>),
}

/// The secret half of a [`SealingKey`].
pub struct OpeningKey {
    secret: Secret,
    public: SealingKey,
}

/// What was sealed: suite, encapsulated key and ciphertext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    suite: KemSuite,
    encapsulated: Vec<u8>,
    ciphertext: Vec<u8>,
}

/// What was opened: the contents, and the seed with which they can be sealed again.
pub struct Opened<const N: usize> {
    pub(super) contents: Zeroizing<[u8; N]>,
    pub(super) seed: Zeroizing<[u8; SEED]>,
}

impl SealingKey {
    /// Reads a public key: 32 bytes of X25519, 1,216 of X-Wing.
    ///
    /// # Errors
    /// [`KeyError::Public`], [`KeyError::Suite`].
    pub fn decode(suite: KemSuite, bytes: &[u8]) -> Result<Self, KeyError> {
        match suite {
            KemSuite::X25519 => <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(bytes).map(drop),
            KemSuite::XWing => <XWing as Kem>::PublicKey::from_bytes(bytes).map(drop),
            _ => return Err(KeyError::Suite),
        }
        .map_err(|_| KeyError::Public)?;
        Ok(Self {
            suite,
            bytes: bytes.to_vec(),
        })
    }

    /// The suite.
    #[must_use]
    pub const fn suite(&self) -> KemSuite {
        self.suite
    }

    /// The bytes of the public key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the ledger holds of the key.
    #[must_use]
    pub fn reader_key(&self) -> ReaderKey {
        ReaderKey {
            suite: self.suite,
            hash: sha256(&[&self.bytes]),
        }
    }

    /// Seals contents under a context; the same four give the same bytes.
    ///
    /// # Errors
    /// [`KeyError::Public`] if nothing can be sealed to the key.
    pub(super) fn seal(
        &self,
        context: &[u8],
        contents: &[u8],
        seed: &[u8; SEED],
    ) -> Result<Sealed, KeyError> {
        let mut plaintext = Zeroizing::new(Vec::with_capacity(contents.len() + SEED));
        plaintext.extend_from_slice(contents);
        plaintext.extend_from_slice(seed);
        let coins = Coins::new(self, context, &plaintext);
        let sealed = match self.suite {
            KemSuite::X25519 => {
                seal_with::<X25519HkdfSha256>(&self.bytes, context, &plaintext, coins)
            }
            KemSuite::XWing => seal_with::<XWing>(&self.bytes, context, &plaintext, coins),
            _ => return Err(KeyError::Suite),
        };
        let (encapsulated, ciphertext) = sealed.map_err(|_| KeyError::Public)?;
        Ok(Sealed {
            suite: self.suite,
            encapsulated,
            ciphertext,
        })
    }
}

fn seal_with<K: Kem>(
    public: &[u8],
    context: &[u8],
    plaintext: &[u8],
    mut coins: Coins,
) -> Result<(Vec<u8>, Vec<u8>), HpkeError> {
    let public = K::PublicKey::from_bytes(public)?;
    let (encapsulated, mut sender) = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, K>(
        &OpModeS::Base,
        &public,
        context,
        &mut coins,
    )?;
    let ciphertext = sender.seal(plaintext, b"")?;
    Ok((encapsulated.to_bytes().to_vec(), ciphertext))
}

fn open_with<K: Kem>(
    secret: &K::PrivateKey,
    context: &[u8],
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    let encapsulated = K::EncappedKey::from_bytes(&sealed.encapsulated)?;
    let mut receiver = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, K>(
        &OpModeR::Base,
        secret,
        &encapsulated,
        context,
    )?;
    receiver.open(&sealed.ciphertext, b"").map(Zeroizing::new)
}

/// Seals 32 secret bytes to an X25519 key, with coins of its own: nobody is ever to be shown what was
/// inside. The encapsulated key comes first, then ciphertext and tag.
#[cfg(feature = "keep")]
pub(crate) fn wrap_to(
    key: &SealingKey,
    context: &[u8],
    secret: &[u8; 32],
) -> Result<[u8; 80], KeyError> {
    if key.suite != KemSuite::X25519 {
        return Err(KeyError::Suite);
    }
    let coins = Coins::new(key, context, &Zeroizing::new(random::<32>()?)[..]);
    let sealed = seal_with::<X25519HkdfSha256>(&key.bytes, context, secret, coins);
    let (encapsulated, ciphertext) = sealed.map_err(|_| KeyError::Public)?;
    // 32 bytes of key, 32 of secret and 16 of tag.
    let both = [encapsulated, ciphertext].concat();
    both.try_into().map_err(|_| KeyError::Public)
}

impl OpeningKey {
    /// What [`wrap_to`] sealed.
    #[cfg(feature = "keep")]
    pub(crate) fn unwrap(
        &self,
        context: &[u8],
        wrapped: &[u8; 80],
    ) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let Secret::X25519(secret) = &self.secret else {
            return Err(KeyError::Suite);
        };
        let (encapsulated, ciphertext) = wrapped.split_at(32);
        let sealed = Sealed {
            suite: KemSuite::X25519,
            encapsulated: encapsulated.to_vec(),
            ciphertext: ciphertext.to_vec(),
        };
        let opened = open_with::<X25519HkdfSha256>(secret, context, &sealed);
        let opened = opened.map_err(|_| KeyError::Closed)?;
        let opened = <[u8; 32]>::try_from(opened.as_slice());
        opened.map(Zeroizing::new).map_err(|_| KeyError::Closed)
    }

    /// Draws a fresh key.
    ///
    /// # Errors
    /// [`KeyError::Random`], [`KeyError::Suite`].
    pub fn generate(suite: KemSuite) -> Result<Self, KeyError> {
        Self::decode(suite, &Zeroizing::new(random()?))
    }

    /// The key that 32 secret bytes stand for: an X25519 private key, or an X-Wing seed.
    ///
    /// # Errors
    /// [`KeyError::Suite`], [`KeyError::Public`].
    pub fn decode(suite: KemSuite, bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let (secret, public) = match suite {
            KemSuite::X25519 => {
                let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(bytes);
                let secret = secret.map_err(|_| KeyError::Public)?;
                let public = X25519HkdfSha256::sk_to_pk(&secret).to_bytes().to_vec();
                (Secret::X25519(secret), public)
            }
            KemSuite::XWing => {
                let secret = <XWing as Kem>::PrivateKey::from_bytes(bytes);
                let secret = secret.map_err(|_| KeyError::Public)?;
                let public = XWing::sk_to_pk(&secret).to_bytes().to_vec();
                (Secret::XWing(Box::new(secret)), public)
            }
            _ => return Err(KeyError::Suite),
        };
        let public = SealingKey {
            suite,
            bytes: public,
        };
        Ok(Self { secret, public })
    }

    /// The secret bytes, for a key file or as evidence once the key serves nothing else.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        match &self.secret {
            Secret::X25519(secret) => secret.write_exact(bytes.as_mut_slice()),
            Secret::XWing(secret) => secret.write_exact(bytes.as_mut_slice()),
        }
        bytes
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &SealingKey {
        &self.public
    }

    /// Opens what was sealed to this key under this context, if it holds exactly `N` bytes.
    ///
    /// # Errors
    /// [`KeyError::Closed`].
    pub(super) fn open<const N: usize>(
        &self,
        context: &[u8],
        sealed: &Sealed,
    ) -> Result<Opened<N>, KeyError> {
        let plaintext = match (&self.secret, sealed.suite) {
            (Secret::X25519(secret), KemSuite::X25519) => {
                open_with::<X25519HkdfSha256>(secret, context, sealed)
            }
            (Secret::XWing(secret), KemSuite::XWing) => open_with::<XWing>(secret, context, sealed),
            _ => return Err(KeyError::Closed),
        };
        let plaintext = plaintext.map_err(|_| KeyError::Closed)?;
        let (contents, seed) = plaintext.split_first_chunk().ok_or(KeyError::Closed)?;
        let seed = seed.try_into().map_err(|_| KeyError::Closed)?;
        Ok(Opened {
            contents: Zeroizing::new(*contents),
            seed: Zeroizing::new(seed),
        })
    }
}

impl Sealed {
    pub(super) const ENTRIES: usize = 3;

    /// Writes suite, encapsulated key and ciphertext as the map entries from `first` on.
    pub(super) fn write(&self, first: i64, writer: &mut Writer) {
        let suite = match self.suite {
            KemSuite::XWing => 2,
            _ => 1,
        };
        writer.key(first).uint(suite);
        writer.key(first + 1).bytes(&self.encapsulated);
        writer.key(first + 2).bytes(&self.ciphertext);
    }

    /// Reads what [`Sealed::write`] wrote, of contents of `length` bytes.
    pub(super) fn read(
        first: i64,
        length: usize,
        reader: &mut Reader<'_>,
    ) -> Result<Self, CborError> {
        let key = reader.key(first)?;
        let value = key.fault(CborFault::Value);
        let (suite, encapsulated) = match key.uint()? {
            1 => (KemSuite::X25519, 32),
            2 => (KemSuite::XWing, MAX_ENCAPSULATED),
            _ => return Err(value),
        };
        Ok(Self {
            suite,
            encapsulated: exactly(reader.key(first + 1)?, encapsulated)?,
            ciphertext: exactly(reader.key(first + 2)?, length + SEED + TAG)?,
        })
    }
}

fn exactly(reader: &mut Reader<'_>, length: usize) -> Result<Vec<u8>, CborError> {
    let size = reader.fault(CborFault::Size);
    let bytes = reader.bytes(length)?;
    (bytes.len() == length).then(|| bytes.to_vec()).ok_or(size)
}

/// The sealer's random bytes, which follow from what it seals.
struct Coins {
    secret: Prk,
    bound: Vec<u8>,
    next: u8,
}

impl Coins {
    fn new(key: &SealingKey, context: &[u8], plaintext: &[u8]) -> Self {
        let bound = [&key.reader_key().encode()[..], &sha256(&[context])].concat();
        Self {
            secret: extract(b"medanchor/custody-coins/v1", plaintext),
            bound,
            next: 0,
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            let coin = Zeroizing::new(expand(&self.secret, &[&self.bound, &[self.next]]));
            self.next = self.next.wrapping_add(1); // no suite draws more than two
            part.iter_mut()
                .zip(coin.iter())
                .for_each(|(to, from)| *to = *from);
        }
    }
}

impl TryRng for Coins {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Coins {}
