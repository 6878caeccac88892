//! Tables of a report: the same rows for the page, for CSV and for JSON.
//!
//! What always holds: CSV and JSON have the codes of the ledger and plain numbers, whatever the
//! language; the page has names and grouped numbers.

use super::plot::{escape, grouped};
use super::words::Words;
use serde_json::{Map, Value, json};

/// What stands in a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    Text(String),
    /// A code of the ledger, which the page shows by its name.
    Code(String),
    /// What files have, and what the page shows instead.
    Labelled(&'static str, &'static str),
    /// The same, in red.
    Alarm(&'static str, &'static str),
    Number(u64),
    /// A share in hundredths.
    Percent(f64),
    /// Milliseconds.
    Duration(u64),
    Nothing,
}

/// A table: its name in files, and its columns, each with a code and a title.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) rows: Vec<Vec<Field>>,
}

impl Table {
    /// The table as HTML.
    pub(crate) fn html(&self, words: &Words) -> String {
        if self.rows.is_empty() {
            return format!("<p>{}</p>", words.nothing);
        }
        let title = |(at, (_, title)): (usize, &(String, String))| {
            let class = if self.is_numeric(at) {
                " class=\"n\""
            } else {
                ""
            };
            // A code may break after its domain.
            format!("<th{class}>{}</th>", escape(title).replace('.', ".<wbr>"))
        };
        let head: String = self.columns.iter().enumerate().map(title).collect();
        let rows = self.rows.iter().map(|row| {
            let fields: String = row.iter().map(|field| field.html(words)).collect();
            format!("<tr>{fields}</tr>")
        });
        let rows: String = rows.collect();
        format!("<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
    }

    fn is_numeric(&self, column: usize) -> bool {
        let fields = self.rows.iter().filter_map(|row| row.get(column));
        fields.into_iter().any(|field| {
            matches!(
                field,
                Field::Number(_) | Field::Percent(_) | Field::Duration(_)
            )
        })
    }

    /// The table as RFC 4180 CSV.
    pub(crate) fn csv(&self) -> String {
        let codes: Vec<String> = self.columns.iter().map(|(code, _)| quoted(code)).collect();
        let mut text = codes.join(",") + "\r\n";
        for row in &self.rows {
            let fields: Vec<String> = row.iter().map(|field| quoted(&field.plain())).collect();
            text.push_str(&fields.join(","));
            text.push_str("\r\n");
        }
        text
    }

    /// The table as a list of objects.
    pub(crate) fn json(&self) -> Value {
        let object = |row: &Vec<Field>| {
            let members = self.columns.iter().zip(row);
            let members: Map<String, Value> = members
                .map(|((code, _), field)| (code.clone(), field.json()))
                .collect();
            Value::Object(members)
        };
        self.rows.iter().map(object).collect()
    }
}

impl Field {
    fn html(&self, words: &Words) -> String {
        match self {
            Self::Text(text) => format!("<td>{}</td>", escape(text)),
            Self::Code(code) => format!("<td>{}</td>", escape(words.name(code))),
            Self::Labelled(_, title) => format!("<td>{title}</td>"),
            Self::Alarm(_, title) => format!("<td class=\"bad\">{title}</td>"),
            Self::Number(0) => "<td class=\"n z\">0</td>".to_owned(),
            Self::Number(number) => format!("<td class=\"n\">{}</td>", grouped(*number)),
            Self::Percent(share) => format!("<td class=\"n\">{share:.2}</td>"),
            Self::Duration(millis) => format!("<td class=\"n\">{}</td>", words.duration(*millis)),
            Self::Nothing => "<td></td>".to_owned(),
        }
    }

    fn plain(&self) -> String {
        match self {
            Self::Text(text) | Self::Code(text) => text.clone(),
            Self::Labelled(code, _) | Self::Alarm(code, _) => (*code).to_owned(),
            Self::Number(number) | Self::Duration(number) => number.to_string(),
            Self::Percent(share) => format!("{share:.4}"),
            Self::Nothing => String::new(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) | Self::Code(text) => json!(text),
            Self::Labelled("", _) => Value::Null,
            Self::Labelled(code, _) | Self::Alarm(code, _) => json!(code),
            Self::Number(number) | Self::Duration(number) => json!(number),
            Self::Percent(share) => json!(share),
            Self::Nothing => Value::Null,
        }
    }
}

/// A field as CSV has it. What a spreadsheet would take for a formula is led by an apostrophe.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use crate::report::words::words;

    fn table() -> Table {
        Table {
            name: "sample",
            columns: vec![
                ("who".into(), "Who".into()),
                ("kind".into(), "Kind".into()),
                ("events".into(), "Events".into()),
            ],
            rows: vec![vec![
                Field::Text("=a,\"b\"<".into()),
                Field::Code("record.seal".into()),
                Field::Number(12_345),
            ]],
        }
    }

    #[test]
    fn files_have_codes_and_plain_numbers() {
        let expected = "who,kind,events\r\n\"'=a,\"\"b\"\"<\",record.seal,12345\r\n";
        assert_eq!(table().csv(), expected);
        let expected = json!([{"who": "=a,\"b\"<", "kind": "record.seal", "events": 12345}]);
        assert_eq!(table().json(), expected);
    }

    #[test]
    fn the_page_has_names_and_escapes() {
        let html = table().html(words(Language::Zh));
        assert!(
            html.contains("记录封存") && html.contains("12\u{202f}345"),
            "{html}"
        );
        assert!(html.contains("=a,&quot;b&quot;&lt;"), "{html}");
    }
}
