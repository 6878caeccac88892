//! `medanchor`: the node, and what an operator needs around it.

use std::process::ExitCode;

/// See `docs/decisions/allocator.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    medanchor_node::cli::main(std::env::args_os())
}
