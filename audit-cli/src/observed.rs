//! Judges what a watcher saw: an observation that nobody signed, or an attestation that an observer did.
//!
//! What always holds: it is said apart what the network's own signatures prove and what somebody only says;
//! an attestation counts for nobody but the observers that the user named, and a file whose signature claims
//! one of these and does not hold is no evidence.

use crate::attestation::{Attestation, Statement};
use crate::fault::Fault;
use crate::observation::{Kind, Observation, Seen};
use crate::parties::{Backwards, Head, backwards};
use crate::trust::Trust;
use medanchor_ledger::note::{Note, NoteKey, VerifierKey};
use medanchor_ledger::sha256;
use serde_json::{Value, json};

/// What a file shows.
pub(crate) struct Judged {
    pub(crate) value: Value,
    pub(crate) text: String,
    /// What one of the observers that were named told.
    pub(crate) told: Option<Told>,
}

/// What an observer told.
pub(crate) struct Told {
    pub(crate) subject: Subject,
    pub(crate) observer: VerifierKey,
    /// When, in seconds since 1970, by the observer's clock.
    pub(crate) seconds: u64,
}

/// What two observers must have told alike to be counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) network: String,
    pub(crate) kind: Kind,
    pub(crate) of: String,
    /// Which checkpoint or other bytes were served.
    pub(crate) served: String,
}

/// Who stands for what a file says.
enum Standing {
    Nobody,
    /// A key that was not named, as the file gives it.
    Stranger(String),
    Observer(String),
}

/// The verifier key of an observer, from the command line.
pub(crate) fn observer(text: &str) -> Result<VerifierKey, String> {
    let key: VerifierKey = text
        .parse()
        .map_err(|error: medanchor_ledger::note::NoteError| error.to_string())?;
    match key.key() {
        NoteKey::Ed25519(_) => Ok(key),
        _ => Err(
            "an observer's key has signature type 0x01; give what `watch key new` printed".into(),
        ),
    }
}

/// Judges an observation.
pub(crate) fn observation(bytes: &[u8], trust: &Trust) -> Result<Judged, Fault> {
    let found = Observation::parse(bytes).map_err(|error| Fault::Evidence(error.to_string()))?;
    let heads = heads(&found.notes, trust);
    let shown = Shown::of(&found.seen, heads, Standing::Nobody);
    Ok(Judged {
        value: shown.value(),
        text: shown.text(),
        told: None,
    })
}

/// Judges an attestation by the keys of the observers that were named.
pub(crate) fn attestation(
    bytes: &[u8],
    trust: &Trust,
    observers: &[VerifierKey],
) -> Result<Judged, Fault> {
    let bad = |why: String| Fault::Evidence(why);
    let found = Attestation::parse(bytes).map_err(|error| bad(error.to_string()))?;
    let signer = found.signer();
    let signer = signer.map_or_else(String::new, |line| format!("{}+{}", line.name(), line.id()));
    let by = found.signed_by(observers).map_err(|_| {
        bad(format!(
            "the signature of {signer} in it does not hold; do not trust whoever gave it"
        ))
    })?;
    let said = &found.statement;
    if !trust.speaks_of(&said.network) {
        return Err(bad(format!(
            "it is about {}, of which this policy says nothing; use that network's policy",
            said.network
        )));
    }
    let served = said.checkpoint().map(|signed| signed.note);
    let notes: Vec<Note> = served.into_iter().chain(said.known.clone()).collect();
    let standing = match by {
        Some(_) => Standing::Observer(signer),
        None => Standing::Stranger(signer),
    };
    let shown = Shown {
        statement: Some(said),
        ..Shown::of(&said.seen, heads(&notes, trust), standing)
    };
    Ok(Judged {
        value: shown.value(),
        text: shown.text(),
        told: by.map(|observer| Told {
            subject: subject(said),
            observer: observer.clone(),
            seconds: said.seen.seconds,
        }),
    })
}

fn heads(notes: &[Note], trust: &Trust) -> Vec<Head> {
    notes.iter().map(|note| Head::of(note, trust)).collect()
}

fn subject(said: &Statement) -> Subject {
    Subject {
        network: said.network.to_string(),
        kind: said.seen.kind,
        of: said.seen.of.clone(),
        served: served_words(said),
    }
}

/// What was served, in words that tell it apart.
fn served_words(said: &Statement) -> String {
    match (&said.served, said.checkpoint()) {
        (None, _) => "nothing".to_owned(),
        (_, Some(signed)) => {
            let head = signed.checkpoint;
            format!("{} entries, root {}", head.size, head.root)
        }
        (Some(bytes), None) => {
            let hash = hex::encode(sha256(&[bytes]));
            format!(
                "{} bytes that are no checkpoint, SHA-256 {hash}",
                bytes.len()
            )
        }
    }
}

/// What is said of one file.
struct Shown<'s> {
    seen: &'s Seen,
    /// What was signed, if it was.
    statement: Option<&'s Statement>,
    heads: Vec<Head>,
    backwards: Vec<Backwards>,
    standing: Standing,
}

impl<'s> Shown<'s> {
    fn of(seen: &'s Seen, heads: Vec<Head>, standing: Standing) -> Self {
        let backwards = match heads.as_slice() {
            [one, other] => backwards(one, other),
            _ => Vec::new(),
        };
        Self {
            seen,
            statement: None,
            heads,
            backwards,
            standing,
        }
    }

    fn value(&self) -> Value {
        let (seen, standing) = (self.seen, &self.standing);
        let verdict = match standing {
            _ if !self.backwards.is_empty() => "proved",
            Standing::Observer(_) => "witnessed",
            Standing::Nobody | Standing::Stranger(_) => "observed",
        };
        let checkpoint = |head: &Head| {
            let cosigners = head.cosigners.iter();
            let cosigners = cosigners
                .map(|one| json!({ "name": one.key.name().to_string(), "seconds": one.seconds }));
            json!({
                "accepted": head.refused.is_none(),
                "what": head.what(),
                "cosigners": cosigners.collect::<Vec<_>>(),
            })
        };
        let signed = |(size, seconds): (medanchor_ledger::Size, u64)| json!({ "size": size.0, "seconds": seconds });
        let backwards = self.backwards.iter().map(|one| {
            json!({ "name": one.name, "larger": signed(one.larger), "smaller": signed(one.smaller) })
        });
        let (signer, witnessed) = match standing {
            Standing::Nobody => (None, Vec::new()),
            Standing::Stranger(name) => (Some(name), Vec::new()),
            Standing::Observer(name) => (Some(name), vec![name]),
        };
        json!({
            "verdict": verdict,
            "kind": seen.kind.name(),
            "of": seen.of,
            "seconds": seen.seconds,
            "says": seen.says,
            "network": self.statement.map(|said| said.network.to_string()),
            "served": self.statement.map(served_words),
            "checkpoints": self.heads.iter().map(checkpoint).collect::<Vec<_>>(),
            "signed_smaller_after_larger": backwards.collect::<Vec<_>>(),
            "signed_by": signer,
            "witnessed_by": witnessed,
        })
    }

    fn text(&self) -> String {
        let seen = self.seen;
        let what = format!(
            "{} of {}, at {} s since 1970\n  it says           {}\n",
            seen.kind.name(),
            seen.of,
            seen.seconds,
            seen.says
        );
        let mut text = String::new();
        for one in &self.backwards {
            let ((small, late), (large, early)) = (one.smaller, one.larger);
            text += &format!(
                "PROVED: {} cosigned {small} entries at {late} s, after {large} entries at {early} s.\n",
                one.name
            );
        }
        text += &match &self.standing {
            Standing::Observer(name) => format!(
                "WITNESSED by 1 of the observers that were named: {what}  observer          {name}\n"
            ),
            _ if !self.backwards.is_empty() => format!("OBSERVED besides: {what}"),
            Standing::Nobody | Standing::Stranger(_) => format!("OBSERVED, not proved: {what}"),
        };
        if let Some(said) = self.statement {
            text += &format!("  served            {}\n", served_words(said));
        }
        self.heads.iter().for_each(|head| text += &lines(head));
        text + &self.rests_on()
    }

    /// Who stands for what.
    fn rests_on(&self) -> String {
        let cosigned = self.heads.iter().any(|head| !head.cosigners.is_empty());
        let mut text = match cosigned {
            true => "Proved by the parties' own signatures: who cosigned which checkpoint above, and when, by its own clock.\n",
            false => "Proved by the parties' own signatures: nothing.\n",
        }
        .to_owned();
        if !self.backwards.is_empty() {
            text += "  So is, of those named first: their keys signed a smaller log after a larger one, or gave false times. A cosignature promises neither.\n";
        }
        text + &match &self.standing {
            Standing::Nobody => "Nobody signed what it says: it convinces only those who trust whoever wrote it.\n".to_owned(),
            Standing::Stranger(name) => format!(
                "What it says is signed in the name of {name}, who is none of the observers that were named (--observer): here it convinces nobody.\n"
            ),
            Standing::Observer(_) => "Witnessed by the named observers (1 of them): what it says, of this place at this time. Nothing more is shown: not why, and not whose server it is.\n".to_owned(),
        }
    }
}

fn lines(head: &Head) -> String {
    let mut text = match (&head.refused, &head.checkpoint) {
        (None, _) => format!("  signed checkpoint {}\n", head.what()),
        (Some(why), Some(found)) => format!(
            "  refused           {} entries, root {}: {why}\n",
            found.size, found.root
        ),
        (Some(why), None) => format!("  refused           {why}\n"),
    };
    for one in &head.cosigners {
        let (name, seconds) = (one.key.name(), one.seconds);
        text += &format!("    cosigned by     {name}, at {seconds} s\n");
    }
    text
}
