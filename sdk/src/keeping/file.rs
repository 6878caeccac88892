//! `vault.toml`, read strictly and written whole.

use super::payloads::Written as Payloads;
use super::{Keeping, KeyProtection, SecretAt, SecretError};
use medanchor_vault::Settings;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The file's name.
pub const NAME: &str = "vault.toml";
/// The most bytes of it.
const MAX_FILE: u64 = 16 * 1024;

/// Why a vault cannot be kept as its file says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepingError {
    /// The system refused.
    #[error("{path} cannot be used: {source}; check its permissions", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner can write it, and so choose what code a vault runs.
    #[error("others can write {path}; run chmod go-w on it, and check what it says", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It says what cannot be.
    #[error("{path}: {what}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Which key, and what to give.
        what: String,
    },
    /// What it names is not to be had.
    #[error("{path}: {key}: {source}", path = path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is missing.
        source: SecretError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    key: Key,
    #[serde(default)]
    payloads: Payloads,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    protection: Option<String>,
    passphrase_file: Option<PathBuf>,
    passphrase_env: Option<String>,
    module: Option<PathBuf>,
    token: Option<String>,
    pin_file: Option<PathBuf>,
    pin_env: Option<String>,
}

impl Keeping {
    /// What a file says; the defaults if there is none.
    ///
    /// # Errors
    /// [`KeepingError`] with the file and the key.
    pub fn read(path: &Path) -> Result<Self, KeepingError> {
        let io = |source| KeepingError::Io {
            path: path.into(),
            source,
        };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file.map_err(io)?,
        };
        if others_can_write(&file).map_err(io)? {
            return Err(KeepingError::Open { path: path.into() });
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        Self::parse(&bytes).map_err(|what| KeepingError::Content {
            path: path.into(),
            what,
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > MAX_FILE {
            return Err(format!("it is longer than {MAX_FILE} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
        let written: Written = toml::from_str(text).map_err(|error| harmless(&error, text))?;
        Ok(Self {
            key: written.key.checked()?,
            payloads: written.payloads.checked()?,
        })
    }

    /// Fetches the secrets that the file, `said_by`, names.
    ///
    /// # Errors
    /// [`KeepingError::Secret`].
    pub fn fetch(&self, said_by: &Path) -> Result<Settings, KeepingError> {
        let missing = |key| {
            move |source| KeepingError::Secret {
                path: said_by.into(),
                key,
                source,
            }
        };
        Ok(Settings {
            protection: self.key.fetch().map_err(missing("key.protection"))?,
            payloads: self.payloads.fetch().map_err(missing("payloads.place"))?,
            ..Settings::default()
        })
    }

    /// Refuses what a file could not say.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        match Self::parse(self.to_text().as_bytes())? == *self {
            true => Ok(()),
            false => Err("a path is not UTF-8".into()),
        }
    }

    /// The file's text, each key explained.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!(
            "# How this vault is kept. `medanchor vault protect` and `medanchor vault payloads` write this file.\n\
             # Another protection needs the key wrapped anew, another place the payloads moved, so change neither\n\
             # here. Secrets stand elsewhere.\n\n{}\n{}",
            self.key.to_text(),
            self.payloads.to_text()
        )
    }
}

impl KeyProtection {
    fn to_text(&self) -> String {
        match self {
            Self::Nothing => "[key]\n# none, passphrase or token\nprotection = \"none\"\n".into(),
            Self::Passphrase(at) => format!(
                "[key]\n# none, passphrase or token\nprotection = \"passphrase\"\n\
                 # the file with it, or the variable of the environment\n{}",
                secret_text("passphrase", at)
            ),
            Self::Token { module, label, pin } => format!(
                "[key]\n# none, passphrase or token\nprotection = \"token\"\n\
                 # the PKCS#11 module of the token's maker\nmodule = {}\n\
                 # the token's label, for when a key is made\ntoken = {}\n\
                 # the file with its user's PIN, or the variable of the environment\n{}",
                quoted(&module.to_string_lossy()),
                quoted(label),
                secret_text("pin", pin)
            ),
        }
    }
}

/// Where a text is no TOML, or has other keys or values, and what is wanted there. Values are not repeated, nor
/// keys that are no words of small letters: a secret or a person's name may stand in the wrong place.
#[must_use]
pub fn harmless(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().and_then(|span| text.get(..span.start));
    let line = line.map_or(1, |before| 1 + before.matches('\n').count());
    format!("line {line}: {}", without_words(error.message()))
}

fn without_words(message: &str) -> String {
    let quotes = ["invalid type", "invalid value", "invalid length"];
    if quotes.iter().any(|start| message.starts_with(start)) {
        return "a value of another type than its key has".to_owned();
    }
    let wanted = message.split_once(", expected").map(|(_, wanted)| wanted);
    let wanted = wanted.map_or_else(String::new, |wanted| format!(", expected{wanted}"));
    let is_key = |key: &str| {
        key.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    match message.split('`').collect::<Vec<_>>()[..] {
        ["unknown field ", key, ..] if !is_key(key) => format!("an unknown key{wanted}"),
        ["unknown variant ", ..] => format!("an unknown value{wanted}"),
        _ => message.to_owned(),
    }
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn secret_text(name: &str, at: &SecretAt) -> String {
    match at {
        SecretAt::File(path) => format!("{name}_file = {}\n", quoted(&path.to_string_lossy())),
        SecretAt::Environment(variable) => format!("{name}_env = {}\n", quoted(variable)),
    }
}

impl Key {
    fn checked(self) -> Result<KeyProtection, String> {
        let protection = self.protection.as_deref().unwrap_or("none");
        let wanted: &[&str] = match protection {
            "none" => &[],
            "passphrase" => &["passphrase_file", "passphrase_env"],
            "token" => &["module", "token", "pin_file", "pin_env"],
            _ => return Err("key.protection: give none, passphrase or token".into()),
        };
        let given = [
            ("passphrase_file", self.passphrase_file.is_some()),
            ("passphrase_env", self.passphrase_env.is_some()),
            ("module", self.module.is_some()),
            ("token", self.token.is_some()),
            ("pin_file", self.pin_file.is_some()),
            ("pin_env", self.pin_env.is_some()),
        ];
        let idle = given.iter().find(|(key, is)| *is && !wanted.contains(key));
        if let Some((key, _)) = idle {
            return Err(format!(
                "key.{key}: it has no meaning with protection = \"{protection}\"; take it out"
            ));
        }
        match protection {
            "passphrase" => {
                let at = secret("passphrase", self.passphrase_file, self.passphrase_env)?;
                Ok(KeyProtection::Passphrase(at))
            }
            "token" => Ok(KeyProtection::Token {
                module: absolute(
                    "key.module",
                    self.module.ok_or("key.module: name the PKCS#11 module")?,
                )?,
                label: self.token.ok_or("key.token: give the token's label")?,
                pin: secret("pin", self.pin_file, self.pin_env)?,
            }),
            _ => Ok(KeyProtection::Nothing),
        }
    }
}

fn secret(name: &str, file: Option<PathBuf>, variable: Option<String>) -> Result<SecretAt, String> {
    match (file, variable) {
        (Some(file), None) => {
            let file = absolute(&format!("key.{name}_file"), file)?;
            Ok(SecretAt::File(file))
        }
        (None, Some(variable)) if variable.is_empty() || variable.contains(['=', '\0']) => {
            Err(format!("key.{name}_env: give the name of a variable"))
        }
        (None, Some(variable)) => Ok(SecretAt::Environment(variable)),
        _ => Err(format!(
            "key.{name}_file: give it, or key.{name}_env, and not both"
        )),
    }
}

/// Who reads the file may have been started anywhere.
pub(super) fn absolute(key: &str, path: PathBuf) -> Result<PathBuf, String> {
    match path.is_absolute() {
        true => Ok(path),
        false => Err(format!("{key}: give the path from the root on")),
    }
}

#[cfg(unix)]
fn others_can_write(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.mode() & 0o022 != 0)
}

#[cfg(not(unix))]
fn others_can_write(_: &File) -> io::Result<bool> {
    Ok(false)
}
