//! The forms in which a value may hide: character encodings, each in the clear, in hexadecimal and in
//! base64; percent-encoding; JSON escapes; and hashes without a salt.

use super::short::Words;
use super::values::Values;
use aho_corasick::AhoCorasick;
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use md5::{Digest, Md5};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Three Chinese characters in UTF-16 or GBK have so many bytes; a shorter form occurs by chance.
const MIN_FORM: usize = 6;
/// Of short values a form must be longer, and longer still in hexadecimal, of which whole texts are made.
const MIN_SHORT_FORM: usize = 8;
const MIN_SHORT_HEX: usize = 10;
/// Of a long form the last so many bytes are searched for; whoever shows all of it shows them.
const MAX_PATTERN: usize = 48;
/// Of a hash the first so many bytes are searched for, so that hashes cut to handles are found too:
/// 80 bits are no chance.
const HASH_BYTES: usize = 10;

/// The value in the character encodings of our users' systems.
pub fn character_encodings(value: &str) -> Vec<Vec<u8>> {
    let utf16: Vec<u16> = value.encode_utf16().collect();
    let mut forms = vec![
        value.as_bytes().to_vec(),
        utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
    ];
    let (gbk, _, unmappable) = encoding_rs::GBK.encode(value);
    if !unmappable {
        forms.push(gbk.into_owned());
    }
    forms
}

/// SHA-256, SHA-1 and MD5 of a text without any salt, alone and with a line's end behind it.
pub fn hashes(value: &str) -> Vec<Vec<u8>> {
    let mut hashes = Vec::new();
    for end in ["", "\n", "\r\n"] {
        let text = [value, end].concat();
        hashes.push(digest(&SHA256, text.as_bytes()).as_ref().to_vec());
        let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        hashes.push(sha1.as_ref().to_vec());
        hashes.push(Md5::digest(text.as_bytes()).to_vec());
    }
    hashes
}

/// Every form of a value.
fn forms(value: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    for bytes in character_encodings(value) {
        wrap(&bytes, &mut forms);
        percent(&bytes, &mut forms);
    }
    json(value, &mut forms);
    // A form that is cut short keeps its end.
    let mut cut: BTreeSet<Vec<u8>> = forms
        .into_iter()
        .map(|form| form[form.len().saturating_sub(MAX_PATTERN)..].to_vec())
        .collect();
    for hash in hashes(value) {
        wrap(&hash[..HASH_BYTES], &mut cut);
    }
    cut.retain(|form| form.len() >= MIN_FORM);
    cut
}

/// In the clear, in hexadecimal, in base64.
fn wrap(bytes: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    forms.insert(bytes.to_vec());
    forms.insert(hex::encode(bytes).into_bytes());
    forms.insert(hex::encode_upper(bytes).into_bytes());
    for before in 0..3 {
        forms.insert(in_base64(&STANDARD_NO_PAD, bytes, before));
        forms.insert(in_base64(&URL_SAFE_NO_PAD, bytes, before));
    }
}

/// The digits that these bytes have in base64 whatever stands before and behind them, if the bytes
/// before are so many more than a multiple of three.
fn in_base64(engine: &impl Engine, bytes: &[u8], before: usize) -> Vec<u8> {
    let padded = [&[0; 2][..before], bytes].concat();
    let digits = engine.encode(&padded).into_bytes();
    let (from, to) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    digits[from..to].to_vec()
}

/// As in addresses (RFC 3986), in form posts (a plus for a space), and with every byte escaped.
fn percent(bytes: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    let kept = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let in_path = |byte: &u8| kept(byte) || b"/:@!$&'()*+,;=".contains(byte);
    let escaped = |keep: &dyn Fn(&u8) -> bool, space: Option<char>, upper: bool| {
        let mut text = String::new();
        for byte in bytes {
            match (byte, space) {
                (b' ', Some(other)) => text.push(other),
                (byte, _) if keep(byte) => text.push(char::from(*byte)),
                (byte, _) if upper => text.push_str(&format!("%{byte:02X}")),
                (byte, _) => text.push_str(&format!("%{byte:02x}")),
            }
        }
        text.into_bytes()
    };
    for upper in [true, false] {
        forms.insert(escaped(&kept, None, upper));
        forms.insert(escaped(&kept, Some('+'), upper));
        forms.insert(escaped(&in_path, None, upper));
        forms.insert(escaped(&|_| false, None, upper));
    }
}

/// As in JSON: the short escapes, with and without `\/`; what is not ASCII as `\uXXXX`; all of it so.
fn json(value: &str, forms: &mut BTreeSet<Vec<u8>>) {
    for upper in [true, false] {
        for slash in [true, false] {
            let short = escape_json(value, upper, |unit| {
                Some(match unit {
                    0x22 => r#"\""#,
                    0x5c => r"\\",
                    0x2f if slash => r"\/",
                    0x08 => r"\b",
                    0x0c => r"\f",
                    0x0a => r"\n",
                    0x0d => r"\r",
                    0x09 => r"\t",
                    _ => return None,
                })
            });
            forms.insert(short.into_bytes());
        }
        let mut all = String::new();
        value
            .encode_utf16()
            .for_each(|unit| escape_unit(&mut all, unit, upper));
        forms.insert(all.into_bytes());
    }
    let quoted = serde_json::Value::from(value).to_string();
    let clear = &quoted[1..quoted.len() - 1];
    forms.insert(clear.replace('/', r"\/").into_bytes());
    forms.insert(clear.as_bytes().to_vec());
}

fn escape_json(value: &str, upper: bool, short: impl Fn(u16) -> Option<&'static str>) -> String {
    let mut text = String::new();
    for unit in value.encode_utf16() {
        match (short(unit), u8::try_from(unit)) {
            (Some(escape), _) => text.push_str(escape),
            (None, Ok(byte @ 0x20..0x7f)) => text.push(char::from(byte)),
            _ => escape_unit(&mut text, unit, upper),
        }
    }
    text
}

fn escape_unit(text: &mut String, unit: u16, upper: bool) {
    let written = if upper {
        write!(text, "\\u{unit:04X}")
    } else {
        write!(text, "\\u{unit:04x}")
    };
    written.expect("a String takes all that is written");
}

/// Whether a form of a short value is no chance wherever it stands.
fn is_no_chance(form: &[u8]) -> bool {
    let least = match form.iter().all(u8::is_ascii_hexdigit) {
        true => MIN_SHORT_HEX,
        false => MIN_SHORT_FORM,
    };
    form.len() >= least
}

/// Finds any form of any value.
pub struct Scanner {
    automaton: AhoCorasick,
    /// Of which values each pattern is a form.
    owners: Vec<Vec<usize>>,
    values: Vec<String>,
    short: Words,
}

impl Scanner {
    /// A scanner for these values.
    pub fn new(searched: &Values) -> Result<Self> {
        let values: Vec<String> = searched
            .long
            .keys()
            .chain(searched.short.keys())
            .cloned()
            .collect();
        let mut patterns: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for (number, value) in values.iter().enumerate() {
            let mut forms = forms(value);
            if searched.short.contains_key(value) {
                forms.retain(|form| is_no_chance(form));
            }
            for form in forms {
                patterns.entry(form).or_default().push(number);
            }
        }
        Ok(Self {
            automaton: AhoCorasick::new(patterns.keys())?,
            owners: patterns.into_values().collect(),
            values,
            short: Words::new(searched.short.keys())?,
        })
    }

    /// How many byte strings are searched for, besides short words.
    pub fn patterns(&self) -> usize {
        self.owners.len()
    }

    /// Which values stand in these bytes, and where the first form of each ends; short ones in long forms, or
    /// between quotes.
    pub fn find(&self, bytes: &[u8]) -> BTreeMap<&str, usize> {
        let mut found = self.short.quoted(bytes);
        for hit in self.automaton.find_overlapping_iter(bytes) {
            for owner in &self.owners[hit.pattern().as_usize()] {
                found.entry(&*self.values[*owner]).or_insert(hit.end());
            }
        }
        found
    }

    /// The same in a text, where short values are found as words too.
    pub fn find_in_text(&self, text: &[u8]) -> BTreeMap<&str, usize> {
        let mut found = self.find(text);
        found.extend(self.short.in_text(text));
        found
    }
}
