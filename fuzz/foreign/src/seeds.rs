//! Where the first inputs of a target come from: the project's `vectors/` and `seeds/`.

use crate::Target;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The inputs that a file holds, by its name and its bytes.
type Made = fn(&str, Vec<u8>) -> Vec<Vec<u8>>;

/// Files of a folder of the project.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    folder: &'static str,
    start: &'static str,
    end: &'static str,
    made: Made,
}

impl Seeds {
    /// The files of `folder` whose names begin and end so. Hexadecimal files are given as bytes.
    #[must_use]
    pub const fn of(folder: &'static str, start: &'static str, end: &'static str) -> Self {
        let made: Made = |_, bytes| vec![bytes];
        Self {
            folder,
            start,
            end,
            made,
        }
    }

    /// The same files, each of which holds the inputs that `made` gives of its name and its bytes.
    #[must_use]
    pub const fn holding(self, made: fn(&str, Vec<u8>) -> Vec<Vec<u8>>) -> Self {
        Self { made, ..self }
    }

    /// The inputs, in the order of the files' names.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self) -> io::Result<Vec<Vec<u8>>> {
        let folder = root().join(self.folder);
        let mut names = fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.retain(|name| name.starts_with(self.start) && name.ends_with(self.end));
        names.sort();
        let mut inputs = Vec::new();
        for name in &names {
            let bytes = fs::read(folder.join(name))?;
            inputs.extend((self.made)(name, decoded(self.end, bytes)));
        }
        Ok(inputs)
    }
}

/// The project's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn decoded(end: &str, bytes: Vec<u8>) -> Vec<u8> {
    let digits = || -> Option<Vec<u8>> {
        let text = std::str::from_utf8(&bytes).ok()?;
        hex::decode(text.split_whitespace().collect::<String>()).ok()
    };
    match end.ends_with(".hex") {
        true => digits().unwrap_or(bytes),
        false => bytes,
    }
}

/// All first inputs of a target.
///
/// # Errors
/// What the system says.
pub fn read(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut all = vec![Vec::new()];
    for seeds in target.seeds {
        all.extend(seeds.read()?);
    }
    Ok(all)
}

/// Writes them to a folder of the target's name inside `folder`.
///
/// # Errors
/// What the system says.
pub fn write(target: &Target, folder: &Path) -> io::Result<()> {
    let folder = folder.join(target.name);
    fs::create_dir_all(&folder)?;
    for (number, bytes) in read(target)?.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:03}")), bytes)?;
    }
    Ok(())
}
