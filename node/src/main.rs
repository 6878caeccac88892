//! `medanchor`: the node, and what an operator needs around it.

use std::process::ExitCode;

fn main() -> ExitCode {
    medanchor_node::cli::main(std::env::args_os())
}
