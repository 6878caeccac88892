//! What a watcher saw and nobody signed: a stall, a rollback, a node that does not answer.
//!
//! What always holds: an observation convinces nobody by itself; the notes in it are signed, what it
//! says of them is not. It encodes to the very bytes it was parsed from. One that an observer signed
//! is an attestation, in a format of its own ([`crate::attestation`]).
//!
//! ```text
//! medanchor/observation@v1
//! kind stall
//! seconds 1763800000
//! of https://north.example
//! says one line of text
//!
//! <note>   none, one or two, each after a blank line
//! ```

use medanchor_ledger::note::{Note, NoteError};
use std::fmt;

const HEADER: &str = "medanchor/observation@v1\n";

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A log became smaller.
    Rollback,
    /// A log has not grown.
    Stall,
    /// A checkpoint does not meet the policy.
    NoQuorum,
    /// There was no answer, or none that can be read.
    Unreachable,
    /// One copy of the log is older than another.
    Behind,
    /// What was served does not hold.
    Broken,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Rollback, "rollback"),
    (Kind::Stall, "stall"),
    (Kind::NoQuorum, "no-quorum"),
    (Kind::Unreachable, "unreachable"),
    (Kind::Behind, "behind"),
    (Kind::Broken, "broken"),
];

impl Kind {
    /// Its name in files and on the screen.
    pub(crate) fn name(self) -> &'static str {
        let found = KINDS.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, name)| name)
    }
}

/// What was seen, when and where: the lines that observations and attestations share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    /// When, in seconds since 1970, by the watcher's clock.
    pub(crate) seconds: u64,
    /// Of which log: a folder or an address.
    pub(crate) of: String,
    pub(crate) says: String,
}

/// An observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) seen: Seen,
    /// The checkpoints it is about.
    pub(crate) notes: Vec<Note>,
}

/// Bytes that are no observation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ObservationError {
    #[error(
        "an observation has at most {} bytes; get the file again",
        Observation::MAX_BYTES
    )]
    Size,
    #[error("an observation is UTF-8 text; get the file again")]
    Text,
    #[error("an observation begins with medanchor/observation@v1; give the evidence file")]
    Header,
    #[error("an observation has the lines kind, seconds, of and says, in this order; get it again")]
    Line,
    #[error("an observation has at most two notes, each after a blank line; get it again")]
    Notes,
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the observation is not in its one form; get it again")]
    Form,
}

impl Seen {
    /// The longest text of a line.
    const MAX_TEXT: usize = 2048;

    /// Something seen; texts are made fit for lines.
    pub(crate) fn new(kind: Kind, seconds: u64, of: &str, says: &str) -> Self {
        Self {
            kind,
            seconds,
            of: Self::line(of),
            says: Self::line(says),
        }
    }

    /// A line's text: without control characters, and cut to its bound.
    pub(crate) fn line(text: &str) -> String {
        let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let mut line = String::new();
        for c in clean {
            if line.len() + c.len_utf8() > Self::MAX_TEXT {
                break;
            }
            line.push(c);
        }
        line
    }

    /// Reads the four lines, and gives what follows them; none if they are not there.
    pub(crate) fn parse(text: &str) -> Option<(Self, &str)> {
        let (kind, rest) = field(text, "kind ")?;
        let (seconds, rest) = field(rest, "seconds ")?;
        let (of, rest) = field(rest, "of ")?;
        let (says, rest) = field(rest, "says ")?;
        let (kind, _) = KINDS.iter().find(|(_, name)| *name == kind)?;
        let seen = Self {
            kind: *kind,
            seconds: seconds.parse().ok()?,
            of: of.to_owned(),
            says: says.to_owned(),
        };
        Some((seen, rest))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            seconds,
            of,
            says,
        } = self;
        let kind = kind.name();
        write!(f, "kind {kind}\nseconds {seconds}\nof {of}\nsays {says}\n")
    }
}

impl Observation {
    /// The longest file.
    pub(crate) const MAX_BYTES: usize = 2 * Note::MAX_BYTES + 8192;

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ObservationError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(ObservationError::Size);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ObservationError::Text)?;
        let rest = text.strip_prefix(HEADER).ok_or(ObservationError::Header)?;
        let (seen, rest) = Seen::parse(rest).ok_or(ObservationError::Line)?;
        let notes = parse_notes(rest)?;
        let observation = Self { seen, notes };
        if observation.to_string() == text {
            Ok(observation)
        } else {
            Err(ObservationError::Form)
        }
    }
}

/// The value of a line that begins with `name`, and what follows the line; none if it is another.
pub(crate) fn field<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    let (value, rest) = text.strip_prefix(name)?.split_once('\n')?;
    (!value.is_empty() && Seen::line(value) == value).then_some((value, rest))
}

fn parse_notes(mut rest: &str) -> Result<Vec<Note>, ObservationError> {
    let mut notes = Vec::new();
    while !rest.is_empty() {
        if notes.len() == 2 {
            return Err(ObservationError::Notes);
        }
        rest = rest.strip_prefix('\n').ok_or(ObservationError::Notes)?;
        let text = rest.find("\n\n").ok_or(ObservationError::Notes)? + 2;
        let signatures = rest.get(text..).unwrap_or_default();
        let end = signatures
            .find("\n\n")
            .map_or(rest.len(), |at| text + at + 1);
        let (note, after) = rest.split_at_checked(end).ok_or(ObservationError::Notes)?;
        notes.push(Note::parse(note.as_bytes())?);
        rest = after;
    }
    Ok(notes)
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEADER}{}", self.seen)?;
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn vectors() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/observation")
    }

    /// Asserts that `made` is what the golden file holds; see `ledger/tests/log/support.rs`.
    fn assert_golden(name: &str, made: &[u8]) {
        let file = vectors().join(name);
        if !file.exists() && std::env::var_os("MEDANCHOR_WRITE_VECTORS").is_some() {
            std::fs::create_dir_all(vectors()).unwrap();
            std::fs::write(&file, made).unwrap();
        }
        assert!(std::fs::read(&file).unwrap() == made, "{name} is frozen");
    }

    fn sample(notes: usize) -> Observation {
        let policy = include_bytes!("../../vectors/checkpoint/good-quorum.note");
        let (of, says) = ("https://north.example", "no new checkpoint for 600 s");
        Observation {
            seen: Seen::new(Kind::Stall, 1_763_800_000, of, says),
            notes: vec![Note::parse(policy).unwrap(); notes],
        }
    }

    #[test]
    fn observations_are_frozen_and_read_back() {
        for (name, notes) in [("no-note", 0), ("one-note", 1), ("two-notes", 2)] {
            let text = sample(notes).to_string();
            assert_golden(&format!("good-{name}.observation"), text.as_bytes());
            assert_eq!(Observation::parse(text.as_bytes()), Ok(sample(notes)));
        }
        for (kind, name) in KINDS {
            let text = sample(0)
                .to_string()
                .replace("kind stall", &format!("kind {name}"));
            assert_eq!(Observation::parse(text.as_bytes()).unwrap().seen.kind, kind);
        }
    }

    #[test]
    fn malformed_observations_are_refused() {
        let good = sample(1).to_string();
        let with = |old: &str, new: &str| {
            assert!(good.contains(old), "{old}");
            good.replacen(old, new, 1)
        };
        for (name, file, error) in [
            ("empty", String::new(), ObservationError::Header),
            (
                "other-version",
                with("@v1", "@v2"),
                ObservationError::Header,
            ),
            (
                "unknown-kind",
                with("kind stall", "kind theft"),
                ObservationError::Line,
            ),
            (
                "seconds-with-sign",
                with("seconds 1", "seconds +1"),
                ObservationError::Form,
            ),
            (
                "seconds-leading-zero",
                with("seconds 1", "seconds 01"),
                ObservationError::Form,
            ),
            (
                "says-empty",
                with("says no new checkpoint for 600 s", "says "),
                ObservationError::Line,
            ),
            (
                "says-with-tab",
                with("says no", "says \t"),
                ObservationError::Line,
            ),
            (
                "lines-swapped",
                with("of https", "says https"),
                ObservationError::Line,
            ),
            (
                "text-too-long",
                with("says ", &format!("says {}", "x".repeat(2048))),
                ObservationError::Line,
            ),
            (
                "no-blank-line",
                with("600 s\n\n", "600 s\n"),
                ObservationError::Notes,
            ),
            (
                "trailing-line",
                format!("{good}more\n"),
                ObservationError::Note(NoteError::SignatureLine),
            ),
            (
                "no-last-newline",
                good.trim_end().to_owned(),
                ObservationError::Note(NoteError::Shape),
            ),
            (
                "three-notes",
                format!(
                    "{good}{}",
                    &sample(2).to_string()[sample(0).to_string().len()..]
                ),
                ObservationError::Notes,
            ),
        ] {
            assert_eq!(Observation::parse(file.as_bytes()), Err(error), "{name}");
            assert_golden(&format!("rejected-{name}.observation"), file.as_bytes());
        }
    }

    #[test]
    fn a_line_is_cleaned_and_cut() {
        assert_eq!(Seen::line("a\nb\tc"), "a b c");
        assert_eq!(Seen::line(&"\u{4e2d}".repeat(1000)).len(), 2046);
    }
}
