//! What every example needs: its arguments, and files in a folder for hand-overs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What went wrong, for people.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Runs an example on its command line; an error is told in words, with what to do about it.
pub fn run(usage: &str, example: fn(&Arguments) -> Outcome) -> ExitCode {
    if std::env::args().any(|word| word == "--help" || word == "-h") {
        println!("{usage}");
        return ExitCode::SUCCESS;
    }
    match Arguments::read().and_then(|arguments| example(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n\n{usage}");
            ExitCode::FAILURE
        }
    }
}

/// `--name value` pairs; a missing one is looked for as `MEDANCHOR_NAME`.
pub struct Arguments(BTreeMap<String, String>);

#[allow(dead_code, reason = "each example uses some of these")]
impl Arguments {
    /// Reads the command line.
    pub fn read() -> Outcome<Self> {
        let (mut given, mut words) = (BTreeMap::new(), std::env::args().skip(1));
        while let Some(word) = words.next() {
            let name = word
                .strip_prefix("--")
                .ok_or("arguments are --name value pairs")?;
            let value = words
                .next()
                .ok_or_else(|| format!("--{name} needs a value"))?;
            given.insert(name.to_owned(), value);
        }
        Ok(Self(given))
    }

    /// An argument that may be left out.
    pub fn optional(&self, name: &str) -> Option<String> {
        let from_environment = || std::env::var(format!("MEDANCHOR_{}", name.to_uppercase())).ok();
        self.0.get(name).cloned().or_else(from_environment)
    }

    /// An argument that must be there.
    pub fn required(&self, name: &str) -> Outcome<String> {
        let missing = || format!("give --{name}, or set MEDANCHOR_{}", name.to_uppercase());
        Ok(self.optional(name).ok_or_else(missing)?)
    }

    /// A path that must be there.
    pub fn path(&self, name: &str) -> Outcome<PathBuf> {
        self.required(name).map(PathBuf::from)
    }
}

/// Writes something that is handed to another party. A real application sends it instead.
#[allow(dead_code, reason = "each example uses some of these")]
pub fn hand_over(folder: &Path, name: &str, text: &str) -> Outcome {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(name), format!("{text}\n"))?;
    println!("wrote {}", folder.join(name).display());
    Ok(())
}

/// Reads what another party handed over.
#[allow(dead_code, reason = "each example uses some of these")]
pub fn handed_over(path: &Path) -> Outcome<String> {
    Ok(std::fs::read_to_string(path)?.trim_end().to_owned())
}
