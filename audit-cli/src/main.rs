//! The auditor's binary: all of it is in the library, which `medanchor audit` uses too.

use std::process::ExitCode;

fn main() -> ExitCode {
    medanchor_audit::run(std::env::args_os())
}
