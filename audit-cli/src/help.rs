//! What every `--help` must have, for the tests of both command lines (this one's and `medanchor`'s).

use clap::Command;

/// The widest line that is not wrapped for us.
const WIDTH: usize = 100;

/// Every command with its whole name.
fn all(command: &Command, name: &str, found: &mut Vec<(String, Command)>) {
    found.push((name.to_owned(), command.clone()));
    for below in command.get_subcommands() {
        all(below, &format!("{name} {}", below.get_name()), found);
    }
}

/// What is wrong with the help of a program and all its commands, but for those named in `others`, which
/// have a help of their own.
pub(crate) fn faults(program: &Command, others: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    all(program, program.get_name(), &mut found);
    let found = found
        .iter()
        .filter(|(name, _)| !others.contains(&name.as_str()));
    found
        .flat_map(|(name, command)| of_one(name, command))
        .collect()
}

fn of_one(name: &str, command: &Command) -> Vec<String> {
    let after = command.get_after_help().map(ToString::to_string);
    let after = after.unwrap_or_default();
    let mut wrong = Vec::new();
    if !command.has_subcommands() {
        let parts = [("Example:", "Examples:"), ("Exit codes", "Exit codes")];
        let lacking = parts.iter().filter(|(one, other)| {
            let begins = |line: &str| line.starts_with(one) || line.starts_with(other);
            !after.lines().any(begins)
        });
        wrong.extend(lacking.map(|(one, _)| format!("{name} has no {one:?}")));
    }
    let wide = after.lines().filter(|line| line.chars().count() > WIDTH);
    wrong.extend(wide.map(|line| format!("{name}: too wide: {line}")));
    let mut goes_on = false;
    for line in after.lines() {
        // An example that goes on is indented further than one that begins.
        if line.starts_with("      ") != goes_on {
            wrong.push(format!("{name}: a shell would end the line before: {line}"));
        }
        goes_on = line.ends_with('\\');
    }
    wrong
}

/// The words that the long help of a command, by its whole name, lacks.
pub(crate) fn lacking(program: &Command, name: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    all(program, program.get_name(), &mut found);
    let command = found.iter().find(|(one, _)| one == name);
    let help = command.map(|(_, command)| command.clone().render_long_help().to_string());
    let help = help.unwrap_or_default();
    // Lines are broken anywhere.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let lacking = words.iter().filter(|words| !help.contains(**words));
    lacking
        .map(|words| format!("{name} --help does not say {words:?}"))
        .collect()
}
