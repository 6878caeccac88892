//! Log lines: for people or as JSON, to standard error.
//!
//! What always holds: no line holds a payload, a key or anything about a person; code that logs
//! names heights, sizes, ids, participants and errors only.

use crate::config::{Log, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging. A level that makes no sense is an error that names it.
///
/// # Errors
/// A message for the operator.
pub fn start(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(directives(&log.level)).map_err(|error| {
        format!(
            "log.level {:?} is not a level or filter ({error}); try \"info\"",
            log.level
        )
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are for a person at a terminal and garbage in a file.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Human => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| format!("logging did not start: {error}"))
}

/// A bare level is ours: the engine and the libraries below say too much at `info` (ENGINE rule 13).
fn directives(level: &str) -> String {
    match level {
        "error" | "warn" => level.to_owned(),
        "info" | "debug" | "trace" => format!(
            "warn,medanchor={level},medanchor_node={level},medanchor_network={level},medanchor_store={level}"
        ),
        filter => filter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_keeps_the_libraries_quiet() {
        assert!(directives("info").starts_with("warn,"));
        assert_eq!(directives("medanchor_node=trace"), "medanchor_node=trace");
    }
}
