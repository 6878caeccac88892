//! Identifiers of single units: GS1 keys as URN or Digital Link, China's 20-digit codes, and codes
//! of an enterprise's own.
//!
//! What always holds: two spellings of one GS1 serial number give equal [`UnitCode`]s, so that a
//! pack commissioned under its URN and received under its Digital Link is one pack. An identifier
//! of a class of goods is never a unit. Sources: GS1 EPC Tag Data Standard (URNs), GS1 Digital
//! Link, DOMAIN.md B (20 digits: the first 7 name the product and level, 13 are the serial).

use super::reason::Reason;
use std::fmt;

/// The longest identifier that is taken, in bytes.
const MAX_CODE: usize = 256;

/// Which family of codes a unit's code belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// GTIN and serial number: `01<14 digits>21<serial>`.
    Sgtin,
    /// Another GS1 key of one thing: an SSCC as `00<18 digits>`, GRAI, GIAI … as they came.
    Gs1,
    /// 20 digits: a 7-digit product and level code, then 13 digits of serial.
    China20,
    /// A code of the enterprise's own.
    Enterprise,
}

impl Scheme {
    /// The number that stands for the scheme where a unit's handle is computed.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Sgtin => 1,
            Self::Gs1 => 2,
            Self::China20 => 3,
            Self::Enterprise => 4,
        }
    }
}

/// The full code of one serialised unit, in its scheme's one spelling.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitCode {
    scheme: Scheme,
    full: Box<str>,
}

impl UnitCode {
    /// The family.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The full code as text. It must not leave the institution: only handles made from it may.
    #[must_use]
    pub fn full(&self) -> &str {
        &self.full
    }

    /// The part of the code that says what product it is; the whole code where the scheme does not
    /// tell.
    #[must_use]
    pub fn product(&self) -> &str {
        let length = match self.scheme {
            Scheme::Sgtin => 16,
            Scheme::China20 => 7,
            Scheme::Gs1 | Scheme::Enterprise => return "",
        };
        self.full.get(..length).unwrap_or("")
    }

    /// Reads an identifier as EPCIS carries it.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        if text.is_empty() || text.len() > MAX_CODE || text.chars().any(char::is_control) {
            return Err(Reason::BadCode(
                "it is empty, longer than 256 bytes, or has control characters",
            ));
        }
        if let Some(urn) = text.strip_prefix("urn:epc:") {
            return parse_urn(text, urn);
        }
        if let Some(link) = DigitalLink::find(text) {
            return link.unit();
        }
        let last = text.rsplit(['/', ':', '=']).next().unwrap_or(text);
        if last.len() == 20 && all_digits(last) {
            return Ok(Self::new(Scheme::China20, last));
        }
        Ok(Self::new(Scheme::Enterprise, text))
    }

    fn new(scheme: Scheme, full: &str) -> Self {
        Self {
            scheme,
            full: full.into(),
        }
    }

    fn sgtin(gtin: &str, serial: &str) -> Result<Self, Reason> {
        if gtin.len() != 14 || !has_check_digit(gtin) {
            return Err(Reason::BadCode("the GTIN's check digit is wrong"));
        }
        let serial = percent_decode(serial).filter(|serial| (1..=20).contains(&serial.len()));
        let serial = serial.ok_or(Reason::BadCode("a serial number has 1 to 20 characters"))?;
        Ok(Self::new(Scheme::Sgtin, &format!("01{gtin}21{serial}")))
    }
}

/// Shows the family only: a code is the institution's own affair.
impl fmt::Debug for UnitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitCode({:?})", self.scheme)
    }
}

/// Reads what follows `urn:epc:`; `whole` is the text from its start.
fn parse_urn(whole: &str, urn: &str) -> Result<UnitCode, Reason> {
    let (kind, rest) = urn
        .split_once(':')
        .ok_or(Reason::BadCode("an EPC URN without a kind"))?;
    let (key, value) = rest.split_once(':').unwrap_or((rest, ""));
    match (kind, key) {
        ("class" | "idpat", _) => Err(Reason::ClassNotUnit),
        ("id", "sgtin") => sgtin_of_urn(value),
        ("id", "sscc") => sscc_of_urn(value),
        ("id", "sgln" | "pgln" | "gdti" | "gsrn" | "gsrnp" | "gcn") => {
            Err(Reason::BadCode("it names a place, a party or a document"))
        }
        ("id", _) if !value.is_empty() => Ok(UnitCode::new(Scheme::Gs1, whole)),
        _ => Err(Reason::BadCode("an EPC URN of an unknown kind")),
    }
}

/// `<company prefix>.<indicator and item reference>.<serial>`; prefix and reference have 13 digits.
fn sgtin_of_urn(value: &str) -> Result<UnitCode, Reason> {
    let mut parts = value.splitn(3, '.');
    let (prefix, reference, serial) = match (parts.next(), parts.next(), parts.next()) {
        (Some(prefix), Some(reference), Some(serial)) => (prefix, reference, serial),
        _ => {
            return Err(Reason::BadCode(
                "an SGTIN has a prefix, a reference and a serial number",
            ));
        }
    };
    if serial == "*" {
        return Err(Reason::ClassNotUnit);
    }
    let lengths = (6..=12).contains(&prefix.len()) && prefix.len() + reference.len() == 13;
    let (true, Some((indicator, item))) = (lengths, reference.split_at_checked(1)) else {
        return Err(Reason::BadCode(
            "an SGTIN's prefix and reference have 13 digits together",
        ));
    };
    let body = format!("{indicator}{prefix}{item}");
    let check = check_digit(&body).ok_or(Reason::BadCode(
        "an SGTIN's prefix and reference have 13 digits together",
    ))?;
    UnitCode::sgtin(&format!("{body}{check}"), serial)
}

/// `<company prefix>.<extension digit and serial reference>`, 17 digits together.
fn sscc_of_urn(value: &str) -> Result<UnitCode, Reason> {
    let wrong = Reason::BadCode("an SSCC's prefix and reference have 17 digits together");
    let split = value
        .split_once('.')
        .and_then(|(prefix, rest)| Some((prefix, rest.split_at_checked(1)?)));
    let Some((prefix, (extension, reference))) = split else {
        return Err(wrong);
    };
    let body = format!("{extension}{prefix}{reference}");
    let check = check_digit(&body)
        .filter(|_| body.len() == 17)
        .ok_or(wrong)?;
    Ok(UnitCode::new(Scheme::Gs1, &format!("00{body}{check}")))
}

/// A GS1 Digital Link: a web address whose path ends in a key and its qualifiers.
struct DigitalLink<'a> {
    /// The path from the key on.
    path: &'a str,
    key: &'a str,
    value: &'a str,
    qualifiers: Vec<(&'a str, &'a str)>,
}

impl<'a> DigitalLink<'a> {
    fn find(text: &'a str) -> Option<Self> {
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))?;
        let path = rest.split_once('/')?.1;
        let path = path.split(['?', '#']).next().unwrap_or(path);
        // A resolver may put the key behind a folder of its own: try every place in the path.
        std::iter::once(0)
            .chain(path.match_indices('/').map(|(at, _)| at + 1))
            .find_map(|at| Self::at(path.get(at..)?))
    }

    fn at(path: &'a str) -> Option<Self> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let (key, value) = (parts.next()?, parts.next()?);
        let digits = match key {
            "00" => value.len() == 18,
            "01" => matches!(value.len(), 8 | 12 | 13 | 14),
            "414" | "417" => value.len() == 13,
            "8003" => value.len() >= 14,
            "8004" => true,
            _ => false,
        };
        let numeric = value.get(..value.len().min(14)).is_some_and(all_digits);
        if !digits || !(numeric || key == "8004") {
            return None;
        }
        let mut qualifiers = Vec::new();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            qualifiers.push((name, value));
        }
        Some(Self {
            path,
            key,
            value,
            qualifiers,
        })
    }

    fn unit(&self) -> Result<UnitCode, Reason> {
        match self.key {
            "01" => {
                let serial = self.qualifiers.iter().find(|(name, _)| *name == "21");
                let (_, serial) = serial.ok_or(Reason::ClassNotUnit)?;
                UnitCode::sgtin(&format!("{:0>14}", self.value), serial)
            }
            "414" | "417" => Err(Reason::BadCode("it names a place, a party or a document")),
            "00" if !has_check_digit(self.value) => {
                Err(Reason::BadCode("the SSCC's check digit is wrong"))
            }
            "00" => Ok(UnitCode::new(Scheme::Gs1, &format!("00{}", self.value))),
            _ => Ok(UnitCode::new(
                Scheme::Gs1,
                &format!("https://id.gs1.org/{}", self.path),
            )),
        }
    }
}

/// The 13-digit location number that an SGLN or PGLN URN, a Digital Link or plain text stands for.
pub(super) fn location_number(text: &str) -> Option<String> {
    if text.len() == 13 && has_check_digit(text) {
        return Some(text.to_owned());
    }
    if let Some(link) = DigitalLink::find(text) {
        let place = matches!(link.key, "414" | "417") && has_check_digit(link.value);
        return place.then(|| link.value.to_owned());
    }
    let urn = text
        .strip_prefix("urn:epc:id:sgln:")
        .or_else(|| text.strip_prefix("urn:epc:id:pgln:"))?;
    let mut parts = urn.split('.');
    let body = format!("{}{}", parts.next()?, parts.next()?);
    let check = check_digit(&body).filter(|_| body.len() == 12)?;
    Some(format!("{body}{check}"))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The GS1 check digit of the digits before it: weights 3, 1, 3, … from the right.
fn check_digit(digits: &str) -> Option<char> {
    let mut sum = 0;
    for (place, digit) in digits.chars().rev().enumerate() {
        let weight = if place % 2 == 0 { 3 } else { 1 };
        sum += digit.to_digit(10)? * weight;
    }
    char::from_digit((10 - sum % 10) % 10, 10)
}

fn has_check_digit(digits: &str) -> bool {
    let split = digits.split_at_checked(digits.len().saturating_sub(1));
    split.is_some_and(|(body, last)| check_digit(body).is_some_and(|check| last.starts_with(check)))
}

/// Undoes percent-encoding; none if an escape is broken or the result is not printable text.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let (escape, tail) = tail.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full(text: &str) -> Result<(Scheme, String), Reason> {
        UnitCode::parse(text).map(|code| (code.scheme(), code.full().to_owned()))
    }

    #[test]
    fn an_sgtin_urn_and_its_digital_link_are_one_unit() {
        let urn = UnitCode::parse("urn:epc:id:sgtin:0614141.107346.2017");
        assert_eq!(
            urn,
            UnitCode::parse("https://id.gs1.org/01/10614141073464/21/2017")
        );
        assert_eq!(
            urn,
            UnitCode::parse("https://pharma.example/x/01/10614141073464/10/L1/21/2017?a=b")
        );
        let urn = urn.expect("a good SGTIN");
        assert_eq!(
            (urn.scheme(), urn.full()),
            (Scheme::Sgtin, "0110614141073464212017")
        );
        assert_eq!(urn.product(), "0110614141073464");
    }

    #[test]
    fn escapes_in_a_serial_number_are_undone() {
        let escaped = UnitCode::parse("urn:epc:id:sgtin:0614141.107346.a%2Fb");
        assert_eq!(
            escaped,
            UnitCode::parse("https://id.gs1.org/01/10614141073464/21/a%2fb")
        );
        assert!(escaped.is_ok_and(|code| code.full().ends_with("21a/b")));
    }

    #[test]
    fn twenty_digits_are_a_chinese_code_bare_or_at_the_end_of_an_address() {
        let code = (Scheme::China20, "81234560000000000017".to_owned());
        for text in [
            "81234560000000000017",
            "https://trace.example/code/81234560000000000017",
            "urn:example:code:81234560000000000017",
        ] {
            assert_eq!(full(text), Ok(code.clone()), "{text}");
        }
        let code = UnitCode::parse("81234560000000000017").expect("a good code");
        assert_eq!(code.product(), "8123456");
    }

    #[test]
    fn classes_places_and_wrong_check_digits_are_no_units() {
        for (text, reason) in [
            (
                "urn:epc:class:lgtin:4012345.011111.4444",
                Some(Reason::ClassNotUnit),
            ),
            (
                "urn:epc:idpat:sgtin:4012345.011111.*",
                Some(Reason::ClassNotUnit),
            ),
            (
                "https://id.gs1.org/01/70614141123451/10/998877",
                Some(Reason::ClassNotUnit),
            ),
            ("https://id.gs1.org/01/10614141073465/21/2017", None),
            ("urn:epc:id:sgln:0614141.07346.1234", None),
            ("urn:epc:id:sgtin:0614141.7346.1", None),
            ("urn:epc:id:sgtin:061414x.107346.1", None),
            ("urn:epc:id:sgtin:0614141.107346.", None),
            ("https://id.gs1.org/00/040123451111111111", None),
            ("", None),
            ("a\u{0}b", None),
        ] {
            let found = full(text).expect_err(text);
            assert!(reason.is_none_or(|reason| reason == found), "{text}");
        }
    }

    #[test]
    fn other_identifiers_keep_their_spelling() {
        let sscc = Ok((Scheme::Gs1, "00040123450000001112".to_owned()));
        assert_eq!(full("urn:epc:id:sscc:4012345.0000000111"), sscc);
        assert_eq!(full("https://id.example.com/00/040123450000001112"), sscc);
        assert_eq!(
            full("https://id.example.com/8003/040123450007718765"),
            Ok((
                Scheme::Gs1,
                "https://id.gs1.org/8003/040123450007718765".to_owned()
            ))
        );
        assert_eq!(full("ZX-0091").map(|code| code.0), Ok(Scheme::Enterprise));
    }

    #[test]
    fn location_numbers_are_read_from_every_form() {
        let number = Some("4012345000054".to_owned());
        assert_eq!(location_number("urn:epc:id:sgln:4012345.00005.0"), number);
        assert_eq!(location_number("urn:epc:id:pgln:4012345.00005"), number);
        assert_eq!(
            location_number("https://id.example.com/414/4012345000054"),
            number
        );
        assert_eq!(location_number("4012345000054"), number);
        assert_eq!(location_number("4012345000055"), None);
        assert_eq!(location_number("geo:47.5,11.1"), None);
    }

    proptest! {
        #[test]
        fn any_text_gives_an_answer(text in ".{0,60}|(urn:epc:|https?://)[ -~]{0,60}") {
            let _ = (UnitCode::parse(&text), location_number(&text));
        }
    }
}
