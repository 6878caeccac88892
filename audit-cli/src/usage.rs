//! What is said of a command line that makes no sense.
//!
//! What always holds: what was typed in the place of a value is not repeated, whatever is wrong with it: standard
//! error ends in journals and tickets, and a value may be a person's name. Which option it was, and what it
//! takes, is said.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What stands where a value was typed.
const NOT_SHOWN: &str = "...";

/// Prints what clap says of a command line, to standard error if it is a mistake; says whether it is one. Asking
/// for help is none.
#[must_use]
pub fn print(error: Error) -> bool {
    let is_mistake = error.use_stderr();
    // A closed pipe is no news.
    let _ = without_values(error).print();
    is_mistake
}

fn without_values(mut error: Error) -> Error {
    let hidden = || ContextValue::String(NOT_SHOWN.to_owned());
    // Nothing was typed where a value is missing, and that is said in other words.
    if matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if !value.is_empty())
    {
        error.insert(ContextKind::InvalidValue, hidden());
    }
    if error.get(ContextKind::InvalidSubcommand).is_some()
        && error.kind() == ErrorKind::InvalidSubcommand
    {
        error.insert(ContextKind::InvalidSubcommand, hidden());
    }
    // What is like one of our options is a slip of the pen.
    let is_like_ours = error.get(ContextKind::SuggestedArg).is_some();
    if error.kind() == ErrorKind::UnknownArgument && !is_like_ours {
        error.insert(ContextKind::InvalidArg, hidden());
    }
    // They say how the very word could be passed.
    if error.kind() == ErrorKind::UnknownArgument || error.kind() == ErrorKind::InvalidSubcommand {
        error.remove(ContextKind::Suggested);
        error.remove(ContextKind::TrailingArg);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, Command, value_parser};

    fn said(words: &[&str]) -> String {
        let records = Arg::new("record")
            .long("record")
            .value_parser(value_parser!(u32));
        let kinds = Arg::new("kind").long("kind").value_parser(["day", "week"]);
        let history = Command::new("history").arg(records).arg(kinds);
        let program = Command::new("medanchor")
            .subcommand(history)
            .subcommand_required(true);
        let error = program.try_get_matches_from(words).expect_err("a mistake");
        without_values(error).to_string()
    }

    #[test]
    fn no_word_that_may_be_a_name_is_repeated() {
        for words in [
            &["medanchor", "Chen"][..],
            &["medanchor", "history", "Chen"],
            &["medanchor", "history", "--Chen"],
            &["medanchor", "--chen"],
            &["medanchor", "history", "--record", "Chen"],
            &["medanchor", "history", "--record=Chen"],
            &["medanchor", "history", "--kind", "Chen"],
            &["medanchor", "history", "--records=Chen"],
        ] {
            let said = said(words);
            assert!(
                said.starts_with("error: ") && !said.to_lowercase().contains("chen"),
                "{said}"
            );
        }
    }

    #[test]
    fn the_option_and_what_it_takes_are_said() {
        let kinds = said(&["medanchor", "history", "--kind", "year"]);
        assert!(
            kinds.contains("--kind") && kinds.contains("day, week"),
            "{kinds}"
        );
        let typo = said(&["medanchor", "history", "--recrod", "1"]);
        assert!(
            typo.contains("--recrod") && typo.contains("--record"),
            "{typo}"
        );
        let missing = said(&["medanchor", "history", "--kind"]);
        assert!(missing.contains("none was supplied"), "{missing}");
    }
}
