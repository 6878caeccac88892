//! The scanner's control: every value of the sample data, hidden in every form in the middle of real
//! bytes, is found. The forms are written here anew, whole and with text around the value, not by the
//! scanner's own functions.

use super::forms::Scanner;
use super::input;
use super::values::{self, Values};
use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use md5::{Digest, Md5};
use ring::digest;
use std::path::Path;
use std::sync::LazyLock;

static VALUES: LazyLock<Result<(Values, Scanner)>> = LazyLock::new(|| {
    let values = values::of_input(input::completed(&super::seeds())?.path())?;
    let scanner = Scanner::new(&values)?;
    Ok((values, scanner))
});

fn values_and_scanner() -> Result<&'static (Values, Scanner)> {
    VALUES.as_ref().map_err(|error| anyhow!("{error:#}"))
}

/// Bytes of a file that was not made for this test.
fn real_bytes() -> Result<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Ok(std::fs::read(root.join("Cargo.lock"))?)
}

/// Plants what `hide` makes of each value that `fits` and of up to three bytes before it.
fn is_found(hide: impl Fn(&str, &str) -> Vec<u8>) -> Result<()> {
    let (values, scanner) = values_and_scanner()?;
    let clean = real_bytes()?;
    let clean = clean.get(..2_000).context("a short file")?;
    ensure!(scanner.find(clean).is_empty(), "found where nothing is");
    let mut planted = 0;
    for value in values.long.keys() {
        for before in ["", "a", "ab", "abc"] {
            let hidden = hide(before, value);
            if hidden.is_empty() {
                continue;
            }
            let (head, tail) = clean.split_at(1_000);
            let leak = [head, &hidden, tail].concat();
            ensure!(
                scanner.find(&leak).contains_key(&**value),
                "{value} is not found behind {before:?}"
            );
            planted += 1;
        }
    }
    ensure!(planted > 500, "only {planted} were planted");
    Ok(())
}

/// Short names are found as words in texts, whatever stands around them, and between quotes in any bytes; what
/// is no word of its own is not taken for one.
#[test]
fn short_names_as_words() -> Result<()> {
    let (values, scanner) = values_and_scanner()?;
    ensure!(values.short.contains_key("Chen") && values.short.contains_key("Ada"));
    let clean = real_bytes()?;
    ensure!(
        scanner.find_in_text(&clean).is_empty(),
        "found where nothing is"
    );
    for value in values.short.keys() {
        let around = [
            format!("no receipt for {value}\n"),
            format!("{value}: not found"),
            format!("GET /Patient/{value}?_id=1"),
            format!("name=%E9%99%88%20{value}%2C"),
            format!(r#"{{"detail":"\n{value}\u9648"}}"#),
            format!(r"\u9648{value}"),
            format!("subject='{value}'"),
            format!("patient_{value}.json"),
        ];
        for leak in around {
            ensure!(
                scanner.find_in_text(leak.as_bytes()).contains_key(&**value),
                "{leak}"
            );
        }
        let quoted = [&[0, 255, 7][..], format!("\"{value}\"").as_bytes(), &[1]].concat();
        ensure!(scanner.find(&quoted).contains_key(&**value));
        for other in [
            format!("x{value}"),
            format!("{value}s"),
            format!("9{value}"),
        ] {
            ensure!(scanner.find_in_text(other.as_bytes()).is_empty(), "{other}");
        }
        ensure!(
            scanner.find(&sha256(value)).contains_key(&**value),
            "its hash"
        );
        let escaped = json(value, true);
        ensure!(scanner.find(&escaped).contains_key(&**value), "in escapes");
    }
    Ok(())
}

macro_rules! planted {
    ($($name:ident: |$before:ident, $value:ident| $hidden:expr;)*) => {
        $(
            #[test]
            fn $name() -> Result<()> {
                is_found(|$before: &str, $value: &str| $hidden)
            }
        )*
    };
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

/// In GBK; nothing for what has no place in it.
fn gbk(before: &str, value: &str) -> Vec<u8> {
    let (bytes, _, unmappable) = encoding_rs::GBK.encode(value);
    if unmappable {
        return Vec::new();
    }
    [before.as_bytes(), &bytes].concat()
}

/// What hides a value in two bytes a character: nothing for two characters, whose four bytes, and the digits
/// that these have in base64, occur by chance.
fn long_enough(value: &str, hidden: Vec<u8>) -> Vec<u8> {
    match value.chars().count() {
        0..3 => Vec::new(),
        _ => hidden,
    }
}

fn sentence(before: &str, value: &str) -> String {
    format!("{before}{value}, and more")
}

fn percent(bytes: &[u8], lower: bool) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(*byte).to_string()
        }
        _ if lower => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(escape).collect::<String>().into_bytes()
}

fn json(text: &str, all: bool) -> Vec<u8> {
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'/') if !all => escaped.push_str("\\/"),
            Ok(b'"') if !all => escaped.push_str("\\\""),
            Ok(b'\\') if !all => escaped.push_str("\\\\"),
            Ok(b'\n') if !all => escaped.push_str("\\n"),
            Ok(b'\t') if !all => escaped.push_str("\\t"),
            Ok(byte @ 0x20..0x7f) if !all => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("\\u{unit:04x}")),
        }
    }
    escaped.into_bytes()
}

fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes())
        .as_ref()
        .to_vec()
}

fn sha1(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes())
        .as_ref()
        .to_vec()
}

planted! {
    in_utf_8: |before, value| sentence(before, value).into_bytes();
    in_utf_16_little_endian: |before, value| long_enough(value, utf16(&sentence(before, value), u16::to_le_bytes));
    in_utf_16_big_endian: |before, value| long_enough(value, utf16(&sentence(before, value), u16::to_be_bytes));
    in_gbk: |before, value| long_enough(value, gbk(before, value));
    in_lower_hexadecimal: |before, value| hex::encode(sentence(before, value)).into_bytes();
    in_upper_hexadecimal: |before, value| hex::encode_upper(sentence(before, value)).into_bytes();
    in_hexadecimal_of_utf_16: |before, value| hex::encode(utf16(&sentence(before, value), u16::to_le_bytes)).into_bytes();
    in_hexadecimal_of_gbk: |before, value| hex::encode(gbk(before, value)).into_bytes();
    in_base64: |before, value| STANDARD.encode(sentence(before, value)).into_bytes();
    in_base64_for_addresses: |before, value| URL_SAFE.encode(sentence(before, value)).into_bytes();
    in_base64_of_utf_16: |before, value| long_enough(value, STANDARD.encode(utf16(&sentence(before, value), u16::to_be_bytes)).into_bytes());
    in_base64_of_gbk: |before, value| long_enough(value, STANDARD.encode(gbk(before, value)).into_bytes());
    in_an_address: |before, value| percent(sentence(before, value).as_bytes(), false);
    in_an_address_with_small_digits: |before, value| percent(sentence(before, value).as_bytes(), true);
    in_an_address_as_gbk: |before, value| percent(&gbk(before, value), false);
    in_a_form_post: |before, value| {
        let text = String::from_utf8_lossy(&percent(sentence(before, value).as_bytes(), false)).replace("%20", "+");
        text.into_bytes()
    };
    in_json: |before, value| json(&sentence(before, value), false);
    in_json_with_every_character_escaped: |before, value| json(&sentence(before, value), true);
    as_sha_256: |before, value| [before.as_bytes(), &sha256(value)].concat();
    as_sha_256_cut_to_a_handle: |before, value| [before.as_bytes(), &sha256(value)[..16]].concat();
    as_sha_256_of_a_line: |before, value| [before.as_bytes(), &sha256(&format!("{value}\n"))].concat();
    as_sha_256_in_hexadecimal: |before, value| format!("{before}{}", hex::encode(sha256(value))).into_bytes();
    as_sha_256_in_base64: |before, value| STANDARD.encode([before.as_bytes(), &sha256(value)].concat()).into_bytes();
    as_sha_1: |before, value| [before.as_bytes(), &sha1(value)].concat();
    as_sha_1_in_upper_hexadecimal: |before, value| format!("{before}{}", hex::encode_upper(sha1(value))).into_bytes();
    as_md5: |before, value| [before.as_bytes(), &Md5::digest(value)[..]].concat();
    as_md5_of_a_line_in_hexadecimal: |before, value| format!("{before}{}", hex::encode(Md5::digest(format!("{value}\n")))).into_bytes();
}
