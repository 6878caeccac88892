//! Short names and identifiers in ASCII, `Chen` or `f001`, which are looked for as words: megabytes of
//! hashes and keys hold any three letters somewhere.
//!
//! How likely a false hit is. In base64, the densest random text that answers have, three letters between two
//! characters that are no letters or digits (`+` and `/`: 2 of 64) stand at a place with a chance of
//! 64^-3 * (2/64)^2 < 4e-9: with ten such names and a megabyte of nothing but base64 once in 25 runs, and a run
//! has a tenth of that; four letters 64 times less. In random bytes three letters between quotes stand at a place
//! with 256^-5 < 1e-12: with ten names and 60 MB less than once in 1,000 runs. Without the quotes it would be
//! 256^-3, several in each run: that is why binary files are searched for quoted words alone.

use aho_corasick::AhoCorasick;
use anyhow::Result;
use std::collections::BTreeMap;

/// Finds words.
pub struct Words {
    automaton: AhoCorasick,
    words: Vec<String>,
}

impl Words {
    /// Those to be found.
    pub fn new<'v>(words: impl IntoIterator<Item = &'v String>) -> Result<Self> {
        let words: Vec<String> = words.into_iter().cloned().collect();
        Ok(Self {
            automaton: AhoCorasick::new(&words)?,
            words,
        })
    }

    /// Which stand as words in a text, and where the first of each ends.
    pub fn in_text(&self, text: &[u8]) -> BTreeMap<&str, usize> {
        self.between(text, |before, after| begins(before) && ends(after))
    }

    /// Which stand between quotes, in whatever bytes.
    pub fn quoted(&self, bytes: &[u8]) -> BTreeMap<&str, usize> {
        self.between(bytes, |before, after| {
            before.ends_with(b"\"") && after.starts_with(b"\"")
        })
    }

    fn between(
        &self,
        bytes: &[u8],
        bounded: impl Fn(&[u8], &[u8]) -> bool,
    ) -> BTreeMap<&str, usize> {
        let mut found = BTreeMap::new();
        for hit in self.automaton.find_overlapping_iter(bytes) {
            if bounded(&bytes[..hit.start()], &bytes[hit.end()..]) {
                let word = &*self.words[hit.pattern().as_usize()];
                found.entry(word).or_insert(hit.end());
            }
        }
        found
    }
}

/// Whether a word may begin behind these bytes: no letter or digit stands there, or one that ends an escape.
fn begins(before: &[u8]) -> bool {
    let is_hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    match before {
        [.., b'%', one, other] if is_hex(&[*one, *other]) => true,
        [.., b'\\', b'u', a, b, c, d] if is_hex(&[*a, *b, *c, *d]) => true,
        [.., b'\\', b'n' | b't' | b'r' | b'b' | b'f'] => true,
        [.., last] => !last.is_ascii_alphanumeric(),
        [] => true,
    }
}

fn ends(after: &[u8]) -> bool {
    after
        .first()
        .is_none_or(|next| !next.is_ascii_alphanumeric())
}
