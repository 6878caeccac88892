//! How `medanchor` ends: one exit code for each kind of trouble, so that scripts can tell them
//! apart. `docs/operate.md` has the table.

use crate::output::PrintError;
use medanchor_sdk::{AnchorError, ClientError, IdentityError};
use medanchor_vault::VaultError;
use std::process::ExitCode;

/// How the program ended. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Success,
    /// Something without a code of its own.
    Failure,
    /// The command line makes no sense.
    Usage,
    /// `config.toml` cannot be used.
    Config,
    /// The home is missing, incomplete, or belongs to another network or institution.
    Home,
    /// Another process has this home, or this identity.
    Locked,
    /// A port is taken.
    PortInUse,
    /// The disk is full.
    DiskFull,
    /// A file is damaged inside; the message says which and where.
    Damaged,
    /// A key file, passphrase, PIN or token cannot be used, or a key does not match the genesis.
    Keys,
    /// Another node signs with this node's key.
    DuplicateKey,
    /// The ledger needs a newer release.
    Outdated,
    /// A node cannot be reached, or another service that the command needs.
    Unreachable,
    /// Nobody reads the output any more: 128 and the number of SIGPIPE.
    Closed,
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Config => 10,
            Self::Home => 11,
            Self::Locked => 12,
            Self::PortInUse => 13,
            Self::DiskFull => 14,
            Self::Damaged => 15,
            Self::Keys => 16,
            Self::DuplicateKey => 17,
            Self::Outdated => 18,
            Self::Unreachable => 19,
            Self::Closed => 141,
        }
    }
}

impl From<PrintError> for Fatal {
    fn from(error: PrintError) -> Self {
        let exit = match error {
            PrintError::Closed => Exit::Closed,
            PrintError::Io(_) => Exit::Failure,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<IdentityError> for Fatal {
    fn from(error: IdentityError) -> Self {
        match &error {
            IdentityError::Vault(VaultError::Locked { .. }) => Self::new(
                Exit::Locked,
                format!(
                    "{error}: a running `medanchor vault serve` or `medanchor custodian run`, or the application that embeds this identity; start it again afterwards"
                ),
            ),
            _ => Self::new(Exit::Home, error.to_string()),
        }
    }
}

impl From<ClientError> for Fatal {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            ClientError::Unreachable(_) => Exit::Unreachable,
            _ => Exit::Failure,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<AnchorError> for Fatal {
    fn from(error: AnchorError) -> Self {
        match error {
            AnchorError::Client(error) => error.into(),
            other => Self::new(Exit::Failure, other.to_string()),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that ends the program, and how.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fatal {
    /// The exit code.
    pub exit: Exit,
    /// What happened and what to do.
    pub message: String,
}

impl Fatal {
    /// An end with a code and a message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }
}
