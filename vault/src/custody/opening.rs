//! How a third party opens what was sealed in a message: by the contents and the seed, which seal to the
//! same bytes again, or by the secret key.
//!
//! What always holds: contents count only if they seal to the very bytes of the message; secrets are wiped.

use super::convict::Unconvincing;
use super::seal::{
    KeyError, MAX_CONTENTS, MAX_PUBLIC, Opened, OpeningKey, SEED, Sealed, SealingKey,
};
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::event::{KemSuite, ReaderKey};
use zeroize::Zeroizing;

/// How a third party opens what was sealed.
pub enum Opening {
    /// The contents and the seed, which seal to the same bytes again.
    Contents {
        /// Whom it was sealed to.
        public: SealingKey,
        /// What was inside.
        contents: Zeroizing<Vec<u8>>,
        /// What its sealer drew.
        seed: Zeroizing<[u8; SEED]>,
    },
    /// The secret key, where there is no such opening.
    Key(OpeningKey),
}

impl Opening {
    /// The contents, if they seal to the same bytes again.
    pub(super) fn of<const N: usize>(
        public: SealingKey,
        context: &[u8],
        opened: &Opened<N>,
        sealed: &Sealed,
    ) -> Option<Self> {
        let again = public.seal(context, opened.contents.as_slice(), &opened.seed);
        (again.as_ref() == Ok(sealed)).then(|| Self::Contents {
            public,
            contents: Zeroizing::new(opened.contents.to_vec()),
            seed: opened.seed.clone(),
        })
    }

    /// What is inside what was sealed to `key`: nothing if the key opens nothing.
    pub(super) fn show<const N: usize>(
        &self,
        key: &ReaderKey,
        context: &[u8],
        sealed: &Sealed,
    ) -> Result<Option<Zeroizing<[u8; N]>>, Unconvincing> {
        let public = match self {
            Self::Contents { public, .. } => public,
            Self::Key(secret) => secret.public(),
        };
        if public.reader_key() != *key {
            return Err(Unconvincing::OtherKey);
        }
        match self {
            Self::Contents { contents, seed, .. } => {
                let again = public.seal(context, contents, seed);
                if again.as_ref() != Ok(sealed) {
                    return Err(Unconvincing::NotInside);
                }
                let contents = contents.as_slice().try_into();
                Ok(contents.ok().map(Zeroizing::new))
            }
            Self::Key(secret) => Ok(secret
                .open(context, sealed)
                .ok()
                .map(|opened| opened.contents)),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Contents {
                public,
                contents,
                seed,
            } => {
                writer.array(5).uint(1).uint(suite_code(public.suite()));
                writer.bytes(public.as_bytes());
                writer.bytes(contents).bytes(seed.as_slice());
            }
            Self::Key(secret) => {
                let suite = suite_code(secret.public().suite());
                writer.array(3).uint(2).uint(suite);
                writer.bytes(secret.expose().as_slice());
            }
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        let items = reader.array(3..=5)?;
        let value = reader.fault(CborFault::Value);
        let kind = reader.uint()?;
        let suite = match reader.uint()? {
            1 => KemSuite::X25519,
            2 => KemSuite::XWing,
            _ => return Err(value),
        };
        let sound = |_: KeyError| value;
        match (items, kind) {
            (5, 1) => Ok(Self::Contents {
                public: SealingKey::decode(suite, reader.bytes(MAX_PUBLIC)?).map_err(sound)?,
                contents: Zeroizing::new(reader.bytes(MAX_CONTENTS)?.to_vec()),
                seed: Zeroizing::new(reader.fixed()?),
            }),
            (3, 2) => {
                let secret = Zeroizing::new(reader.fixed()?);
                let secret = OpeningKey::decode(suite, &secret).map_err(sound)?;
                Ok(Self::Key(secret))
            }
            _ => Err(value),
        }
    }
}

fn suite_code(suite: KemSuite) -> u64 {
    match suite {
        KemSuite::XWing => 2,
        _ => 1,
    }
}
