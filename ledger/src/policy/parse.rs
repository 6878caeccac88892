//! Reads a policy file line by line. Names, URLs and comments are opaque octets, as the format
//! demands; only verifier keys are text.

use super::{Named, Policy, Rule};
use crate::note::{NoteError, NoteKey, VerifierKey};
use std::collections::{BTreeMap, BTreeSet};

/// A policy file that is refused, and the line at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Longer than [`Policy::MAX_BYTES`].
    #[error("a policy file has at most 524288 bytes; split it")]
    Size,
    /// The last line has no newline.
    #[error("the last line of the policy is cut short; end every line with a newline")]
    Newline,
    /// A control character other than tab and newline.
    #[error(
        "line {line} of the policy has a control character; use tabs, spaces and newlines only"
    )]
    Octet {
        /// The line, from 1.
        line: usize,
    },
    /// A line that is none of log, witness, group and quorum, or lacks a part.
    #[error(
        "line {line} of the policy is no log, witness, group or quorum line; see C2SP tlog-policy"
    )]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// A verifier key that is none, or of a type that cannot do what the line says.
    #[error("line {line} of the policy has no usable verifier key: {cause}")]
    Key {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        cause: NoteError,
    },
    /// The same public key on two log lines or two witness lines.
    #[error("line {line} of the policy repeats a public key; keep one line for each key")]
    DuplicateKey {
        /// The later line, from 1.
        line: usize,
    },
    /// Another key has its name and its four-byte id, which is easily arranged: a signature of one
    /// would be judged by the other, and condemn every note that both may sign.
    #[error(
        "line {line} of the policy has a key whose name and key id are those of another key; replace one of the two keys"
    )]
    AmbiguousKey {
        /// The later line, from 1.
        line: usize,
    },
    /// A name that is defined twice, or `none`.
    #[error("line {line} of the policy defines a name again; choose another name")]
    DuplicateName {
        /// The later line, from 1.
        line: usize,
    },
    /// A name that no earlier line defines.
    #[error("line {line} of the policy uses a name that no earlier line defines; define it first")]
    UnknownName {
        /// The line, from 1.
        line: usize,
    },
    /// A name that is already a member of a group.
    #[error("line {line} of the policy puts a name into a second group; list each name once")]
    SecondGroup {
        /// The line, from 1.
        line: usize,
    },
    /// A threshold that is not 1 to the number of members.
    #[error(
        "line {line} of the policy has a threshold out of range; use any, all or 1 to the number of members"
    )]
    Threshold {
        /// The line, from 1.
        line: usize,
    },
    /// More than [`Policy::MAX_NAMES`] of a kind.
    #[error(
        "line {line} of the policy is one too many; use at most 128 logs, witnesses and groups"
    )]
    TooMany {
        /// The line, from 1.
        line: usize,
    },
    /// A second quorum line.
    #[error("line {line} of the policy states a quorum again; keep one quorum line")]
    SecondQuorum {
        /// The line, from 1.
        line: usize,
    },
    /// No quorum line.
    #[error("the policy states no quorum; add a quorum line")]
    NoQuorum,
    /// A key name cannot be made.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] says which line is wrong and why.
    pub fn parse(source: &[u8]) -> Result<Self, PolicyError> {
        if source.len() > Self::MAX_BYTES {
            return Err(PolicyError::Size);
        }
        let body = source.strip_suffix(b"\n").ok_or(PolicyError::Newline)?;
        let mut parser = Parser::default();
        for (line, text) in (1..).zip(body.split(|octet| *octet == b'\n')) {
            parser.line = line;
            parser.read(text)?;
        }
        let quorum = parser.quorum.ok_or(PolicyError::NoQuorum)?;
        Ok(Self {
            source: source.into(),
            logs: parser.logs,
            names: parser.names,
            quorum,
        })
    }
}

#[derive(Default)]
struct Parser {
    line: usize,
    logs: Vec<VerifierKey>,
    names: Vec<Named>,
    places: BTreeMap<Box<[u8]>, usize>,
    members: BTreeSet<usize>,
    quorum: Option<Option<usize>>,
}

type Item<'a> = &'a [u8];

impl Parser {
    fn read(&mut self, text: &[u8]) -> Result<(), PolicyError> {
        if text
            .iter()
            .any(|octet| (*octet < 0x20 && *octet != b'\t') || *octet == 0x7f)
        {
            return Err(PolicyError::Octet { line: self.line });
        }
        let items = text.split(|octet| matches!(octet, b' ' | b'\t'));
        let items: Vec<_> = items.filter(|item| !item.is_empty()).collect();
        match items.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] | [b"log", key, _] => self.log(key),
            [b"witness", name, key] | [b"witness", name, key, _] => self.witness(name, key),
            [b"group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            [b"quorum", name] => self.state_quorum(name),
            _ => Err(PolicyError::Line { line: self.line }),
        }
    }

    fn key(&self, item: Item<'_>) -> Result<VerifierKey, PolicyError> {
        let refused = |cause| PolicyError::Key {
            line: self.line,
            cause,
        };
        let text = std::str::from_utf8(item).map_err(|_| refused(NoteError::VerifierKey))?;
        text.parse().map_err(refused)
    }

    fn log(&mut self, item: Item<'_>) -> Result<(), PolicyError> {
        let key = self.key(item)?;
        if self
            .logs
            .iter()
            .any(|known| known.key().as_bytes() == key.key().as_bytes())
        {
            return Err(PolicyError::DuplicateKey { line: self.line });
        }
        self.refuse_ambiguous(&key)?;
        self.bound(self.logs.len())?;
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: Item<'_>, item: Item<'_>) -> Result<(), PolicyError> {
        let key = self.key(item)?;
        if let NoteKey::Ed25519(_) = key.key() {
            let cause = NoteError::SignatureType(0x01);
            return Err(PolicyError::Key {
                line: self.line,
                cause,
            });
        }
        let raw = key.key().as_bytes();
        let known = self.witnesses().any(|known| known.key().as_bytes() == raw);
        if known {
            return Err(PolicyError::DuplicateKey { line: self.line });
        }
        self.refuse_ambiguous(&key)?;
        self.bound(self.witnesses().count())?;
        self.define(name, Rule::Witness(key))
    }

    /// A signature names its key by name and id alone. The same key may be a log's and a witness's.
    fn refuse_ambiguous(&self, key: &VerifierKey) -> Result<(), PolicyError> {
        let alike = |known: &VerifierKey| (known.name(), known.id()) == (key.name(), key.id());
        let mut others = self.logs.iter().chain(self.witnesses());
        match others.any(|known| alike(known) && known != key) {
            true => Err(PolicyError::AmbiguousKey { line: self.line }),
            false => Ok(()),
        }
    }

    fn witnesses(&self) -> impl Iterator<Item = &VerifierKey> {
        self.names.iter().filter_map(|named| match &named.rule {
            Rule::Witness(key) => Some(key),
            Rule::Group { .. } => None,
        })
    }

    fn group(
        &mut self,
        name: Item<'_>,
        threshold: Item<'_>,
        members: &[Item<'_>],
    ) -> Result<(), PolicyError> {
        self.bound(self.names.len() - self.witnesses().count())?;
        let members: Vec<_> = members
            .iter()
            .map(|name| self.place(name))
            .collect::<Result<_, _>>()?;
        if !members.iter().all(|place| self.members.insert(*place)) {
            return Err(PolicyError::SecondGroup { line: self.line });
        }
        let needed = match threshold {
            b"any" => Some(1),
            b"all" => Some(members.len()),
            number => decimal(number).filter(|needed| (1..=members.len()).contains(needed)),
        };
        let needed = needed.ok_or(PolicyError::Threshold { line: self.line })?;
        self.define(name, Rule::Group { needed, members })
    }

    fn state_quorum(&mut self, name: Item<'_>) -> Result<(), PolicyError> {
        if self.quorum.is_some() {
            return Err(PolicyError::SecondQuorum { line: self.line });
        }
        self.quorum = Some(match name {
            b"none" => None,
            name => Some(self.place(name)?),
        });
        Ok(())
    }

    fn place(&self, name: &[u8]) -> Result<usize, PolicyError> {
        self.places
            .get(name)
            .copied()
            .ok_or(PolicyError::UnknownName { line: self.line })
    }

    fn define(&mut self, name: Item<'_>, rule: Rule) -> Result<(), PolicyError> {
        if name == b"none" || self.places.insert(name.into(), self.names.len()).is_some() {
            return Err(PolicyError::DuplicateName { line: self.line });
        }
        self.names.push(Named {
            name: name.into(),
            rule,
        });
        Ok(())
    }

    fn bound(&self, count: usize) -> Result<(), PolicyError> {
        if count < Policy::MAX_NAMES {
            Ok(())
        } else {
            Err(PolicyError::TooMany { line: self.line })
        }
    }
}

/// A decimal number without sign or leading zeros.
fn decimal(text: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse()
        .ok()
        .filter(|number: &usize| number.to_string() == text)
}
