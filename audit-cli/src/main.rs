//! The auditor's binary: all of it is in the library, which `medanchor audit` uses too.

use std::process::ExitCode;

/// See `docs/decisions/allocator.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    medanchor_audit::run(std::env::args_os())
}
