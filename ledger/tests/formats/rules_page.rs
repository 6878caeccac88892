//! `docs/rules.md` lists every rule as the code has it.

use medanchor_ledger::rules::{DenialReason, Rule};
use std::fs;
use std::path::Path;

const START: &str = "<!-- rules: written by ledger/tests/formats/rules_page.rs -->\n";
const END: &str = "<!-- end of rules -->\n";

fn table() -> String {
    let row = |rule: &Rule| {
        let [code, fault] = [rule.code(), rule.fault().as_str()];
        format!(
            "| `{code}` | {fault} | {} | {} |\n",
            rule.broken(),
            rule.remedy()
        )
    };
    let rows: String = Rule::ALL.iter().map(row).collect();
    let reason = |reason: &DenialReason| format!("| {} | `{}` |\n", reason.code(), reason.as_str());
    let reasons: String = DenialReason::ALL.iter().map(reason).collect();
    format!(
        "| code | fault | what is broken | what to do |\n|---|---|---|---|\n{rows}\n\
         A request for access is denied for the first of these reasons that applies, and the denial is recorded:\n\n\
         | outcome | reason |\n|---|---|\n{reasons}"
    )
}

#[test]
fn the_page_lists_the_rules_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page
        .split_once(START)
        .expect("the page has the table's start");
    let (found, after) = rest.split_once(END).expect("the page has the table's end");
    if std::env::var_os("MEDANCHOR_WRITE_VECTORS").is_some() {
        fs::write(&path, [before, START, &table(), END, after].concat()).unwrap();
    } else {
        assert_eq!(found, table());
    }
}
