//! How many files this process may have open: each segment of the state's rows is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;

/// Lets this process open as many files as the system allows it to, and gives that number. The state
/// of a large ledger is more than the 1,024 files that a shell allows by default; for a program's
/// start, since the limit is the whole process's.
///
/// # Errors
///
/// When the system refuses; the limit is then what it was.
pub fn raise_open_files() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lowered_limit_is_raised_again() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(900), hard).unwrap();
        assert_eq!(raise_open_files().unwrap(), hard);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    }
}
