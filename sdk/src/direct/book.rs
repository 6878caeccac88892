//! The address book: where counterparts listen, and the certificates they show.
//!
//! What always holds: the book is a convenience, not an authority: a custodian's certificate counts
//! only if its key has the hash that the ledger's custodian set names.
//!
//! ```toml
//! [[counterpart]]
//! name = "first-custodian"
//! address = "https://10.0.0.7:7501"
//! share_key = "01..."        # of a custodian: suite byte and public key, in hex
//! certificate = """
//! -----BEGIN CERTIFICATE-----
//! ...
//! """
//! ```

use super::tls::{first_certificate, tls_key_hash};
use medanchor_ledger::event::KemSuite;
use medanchor_ledger::{ParticipantName, TlsKeyHash};
use medanchor_vault::custody::SealingKey;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most bytes of an address book.
const MAX_BOOK: u64 = 4 << 20;

/// Why an address book cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// The system refused.
    #[error("cannot read the address book {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not an address book.
    #[error("{0} is no address book; see the example in the documentation of custodians")]
    Format(PathBuf),
    /// An entry that cannot be used.
    #[error(
        "the address book's entry of {name} has no {what}; take the entry that it printed when it was set up"
    )]
    Entry {
        /// Whose entry.
        name: ParticipantName,
        /// What is missing.
        what: &'static str,
    },
    /// Two entries of one name.
    #[error("the address book has two entries of {0}; keep one")]
    Twice(ParticipantName),
}

/// A participant that can be asked directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterpart {
    /// Its name.
    pub name: ParticipantName,
    /// `https://HOST:PORT`.
    pub address: String,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// The key that shares are sealed to, of a custodian.
    pub share_key: Option<SealingKey>,
}

impl Counterpart {
    /// The hash of the key in its certificate.
    #[must_use]
    pub fn key_hash(&self) -> Option<TlsKeyHash> {
        tls_key_hash(&self.certificate)
    }
}

/// The counterparts that are known, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressBook(BTreeMap<ParticipantName, Counterpart>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    counterpart: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    address: String,
    share_key: Option<String>,
    certificate: String,
}

impl AddressBook {
    /// Reads a book.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn read(path: &Path) -> Result<Self, BookError> {
        let io = |source| BookError::Io {
            path: path.into(),
            source,
        };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(io)?;
        file.take(MAX_BOOK).read_to_string(&mut text).map_err(io)?;
        Self::parse(&text).ok_or_else(|| BookError::Format(path.into()))?
    }

    fn parse(text: &str) -> Option<Result<Self, BookError>> {
        let text: Text = toml::from_str(text).ok()?;
        let mut book = Self::default();
        for entry in text.counterpart {
            let name: ParticipantName = entry.name.parse().ok()?;
            let counterpart = match entry.read(&name) {
                Ok(counterpart) => counterpart,
                Err(what) => return Some(Err(BookError::Entry { name, what })),
            };
            if book.0.insert(name.clone(), counterpart).is_some() {
                return Some(Err(BookError::Twice(name)));
            }
        }
        Some(Ok(book))
    }

    /// A counterpart.
    #[must_use]
    pub fn get(&self, name: &ParticipantName) -> Option<&Counterpart> {
        self.0.get(name)
    }

    /// Adds a counterpart, or replaces the one of its name.
    pub fn insert(&mut self, counterpart: Counterpart) {
        self.0.insert(counterpart.name.clone(), counterpart);
    }

    /// Every counterpart, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Counterpart> {
        self.0.values()
    }
}

impl Entry {
    fn read(&self, name: &ParticipantName) -> Result<Counterpart, &'static str> {
        let address = self.address.trim_end_matches('/');
        if !address.starts_with("https://") {
            return Err("address that begins with https://");
        }
        let certificate =
            first_certificate(self.certificate.as_bytes()).ok_or("certificate in PEM")?;
        tls_key_hash(&certificate).ok_or("certificate in PEM")?;
        let share_key = self.share_key.as_deref().map(share_key);
        Ok(Counterpart {
            name: name.clone(),
            address: address.to_owned(),
            certificate,
            share_key: share_key.transpose()?,
        })
    }
}

/// A suite byte and a public key, in hex.
fn share_key(text: &str) -> Result<SealingKey, &'static str> {
    const WHAT: &str = "share key in hex: 01 and an X25519 key, or 02 and an X-Wing key";
    let bytes = hex::decode(text).map_err(|_| WHAT)?;
    let (suite, key) = match bytes.split_first() {
        Some((1, key)) => (KemSuite::X25519, key),
        Some((2, key)) => (KemSuite::XWing, key),
        _ => return Err(WHAT),
    };
    SealingKey::decode(suite, key).map_err(|_| WHAT)
}

/// The text of one entry, for the books of others.
#[must_use]
pub fn book_entry(
    name: &ParticipantName,
    address: &str,
    certificate_pem: &str,
    share_key: Option<&SealingKey>,
) -> String {
    let share_key = share_key.map_or(String::new(), |key| {
        let suite = key.reader_key().encode()[0];
        let key = hex::encode(key.as_bytes());
        format!("share_key = \"{suite:02x}{key}\"\n")
    });
    // Neither a name nor an address nor PEM has a character that TOML would want escaped.
    format!(
        "[[counterpart]]\nname = \"{name}\"\naddress = \"{address}\"\n{share_key}certificate = \"\"\"\n{certificate_pem}\"\"\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::Certificate;
    use super::*;
    use medanchor_vault::custody::OpeningKey;

    fn made(name: &str) -> (ParticipantName, Certificate) {
        let names = ["localhost".to_owned()];
        (
            name.parse().unwrap(),
            Certificate::generate(&names).unwrap(),
        )
    }

    fn parsed(text: &str) -> Result<AddressBook, BookError> {
        AddressBook::parse(text).unwrap_or_else(|| Err(BookError::Format("book".into())))
    }

    #[test]
    fn entries_that_were_printed_read_back() {
        let (first, one) = made("first-custodian");
        let (second, two) = made("second-custodian");
        let key = OpeningKey::generate(KemSuite::X25519).unwrap();
        let text = book_entry(
            &first,
            "https://localhost:1",
            &one.to_pem(),
            Some(key.public()),
        ) + &book_entry(&second, "https://localhost:2/", &two.to_pem(), None);
        let book = parsed(&text).unwrap();
        assert_eq!(book.iter().count(), 2);
        let shown = book.get(&first).unwrap().share_key.as_ref().unwrap();
        assert_eq!(shown.reader_key(), key.public().reader_key());
        let found = book.get(&second).unwrap();
        assert_eq!(found.address, "https://localhost:2");
        assert_eq!(found.key_hash(), Some(two.key_hash()));
    }

    /// `vectors/address-book`: every file with `rejected` in its name is refused, every other one read.
    #[test]
    fn the_frozen_books_are_read_or_refused() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/address-book");
        let mut counts = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            match AddressBook::read(&path) {
                _ if name == "README.md" => {}
                Ok(book) => {
                    assert!(name.starts_with("good"), "{name}");
                    counts.push(book.iter().count());
                }
                Err(_) => assert!(name.starts_with("rejected"), "{name}"),
            }
        }
        counts.sort_unstable();
        assert_eq!(counts, [0, 2]);
    }

    #[test]
    fn entries_without_what_counts_are_refused_by_name() {
        let (name, certificate) = made("first-custodian");
        let pem = certificate.to_pem();
        let plain = book_entry(&name, "http://localhost:1", &pem, None);
        let bare = book_entry(&name, "https://localhost:1", "none", None);
        for text in [plain, bare] {
            assert!(matches!(parsed(&text), Err(BookError::Entry { .. })));
        }
        let twice = book_entry(&name, "https://localhost:1", &pem, None).repeat(2);
        assert!(matches!(parsed(&twice), Err(BookError::Twice(_))));
        for text in ["[[counterpart]]\nname = 1", "other = 1", "\u{0}"] {
            assert!(matches!(parsed(text), Err(BookError::Format(_))));
        }
        assert_eq!(parsed("").unwrap(), AddressBook::default());
    }
}
