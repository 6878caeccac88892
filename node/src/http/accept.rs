//! `Accept` (RFC 9110 12.5.1): which of the forms that a resource has the client wants.
//!
//! What always holds: the most specific range that names a form gives its weight; of the forms with
//! the highest weight the one that the resource lists first is taken; without the header that is the
//! first of all. A range that is malformed names nothing.

use super::problem::{Code, Problem};
use axum::http::{HeaderMap, header};

/// The form of `offers`, media types without parameters, that the client prefers.
///
/// # Errors
/// [`Code::NotAcceptable`] if it accepts none of them.
pub fn choose(headers: &HeaderMap, offers: &[&'static str]) -> Result<usize, Problem> {
    let lines = headers.get_all(header::ACCEPT).iter();
    let ranges: Vec<Range> = lines
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .filter_map(Range::parse)
        .collect();
    if !headers.contains_key(header::ACCEPT) {
        return Ok(0);
    }
    let weighed = offers.iter().map(|offer| weight(&ranges, offer));
    let best = weighed.enumerate().rev().max_by_key(|(_, weight)| *weight);
    match best {
        Some((place, weight)) if weight > 0 => Ok(place),
        _ => Err(Problem::new(
            Code::NotAcceptable,
            format!("this can be had as {}", offers.join(", ")),
        )),
    }
}

/// `type/subtype;q=0.5`, in lower case.
struct Range {
    kind: String,
    /// In thousandths.
    weight: u16,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next()?.to_ascii_lowercase();
        let (_, subtype) = kind.split_once('/')?;
        if subtype.is_empty() {
            return None;
        }
        let q = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let weight = q.map_or(Some(1000), thousandths)?;
        Some(Self { kind, weight })
    }

    /// How closely it names an offer: 3 by name, 2 by type, 1 as anything.
    fn closeness(&self, offer: &str) -> Option<u8> {
        let (kind, _) = offer.split_once('/')?;
        if self.kind == offer {
            Some(3)
        } else if self.kind.strip_suffix("/*") == Some(kind) {
            Some(2)
        } else {
            (self.kind == "*/*").then_some(1)
        }
    }
}

fn weight(ranges: &[Range], offer: &str) -> u16 {
    let named = ranges
        .iter()
        .filter_map(|range| Some((range.closeness(offer)?, range.weight)));
    named.max().map_or(0, |(_, weight)| weight)
}

/// `0`, `1`, or these with up to three digits after a point, at most 1.
fn thousandths(q: &str) -> Option<u16> {
    let (whole, digits) = q.split_once('.').unwrap_or((q, ""));
    if !matches!(whole, "0" | "1") || digits.len() > 3 {
        return None;
    }
    let fraction: u16 = format!("{digits:0<3}").parse().ok()?;
    let weight = if whole == "1" { 1000 } else { 0 } + fraction;
    (digits.bytes().all(|digit| digit.is_ascii_digit()) && weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use std::collections::BTreeSet;
    use std::path::Path;

    const OFFERS: [&str; 3] = [
        "text/plain",
        "application/scitt-statement+cose",
        "application/cose",
    ];

    fn chosen<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<usize> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                header::ACCEPT,
                HeaderValue::from_str(line).expect("a value"),
            );
        }
        choose(&headers, &OFFERS).ok()
    }

    #[test]
    fn without_the_header_the_first_form_is_given() {
        assert_eq!(chosen([]), Some(0));
    }

    /// `vectors/accept`: `good-N` gets form N, `rejected` none.
    #[test]
    fn the_form_with_the_highest_weight_is_taken() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/accept");
        let mut forms = BTreeSet::new();
        for entry in std::fs::read_dir(folder).expect("the vectors") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .expect("a name");
            let text = std::fs::read_to_string(&path).expect("text");
            let mut words = name.split('-');
            let form = match words.next() {
                Some("good") => words.next().map(|form| form.parse().expect("a form")),
                Some("rejected") => None,
                _ => continue,
            };
            assert_eq!(chosen(text.lines()), form, "{name}");
            forms.insert(form);
        }
        assert_eq!(forms.len(), OFFERS.len() + 1, "files of each kind");
    }
}
