//! The fuzzer of every reader of foreign bytes: one binary, so that one link serves all targets.
//!
//! `MEDANCHOR_TARGET` names the target. With `MEDANCHOR_SEEDS=FOLDER` it writes each target's seeds
//! to `FOLDER/TARGET/` and ends; the names of all targets go to standard output then.

#![no_main]

use libfuzzer_sys::fuzz_target;
use medanchor_foreign::{Target, find, seeds, targets};
use std::path::Path;
use std::sync::OnceLock;

static TARGET: OnceLock<&Target> = OnceLock::new();

fn prepare() {
    if let Some(folder) = std::env::var_os("MEDANCHOR_SEEDS") {
        for target in targets() {
            seeds::write(target, Path::new(&folder)).expect("a folder that can be written");
            println!("{}", target.name);
        }
        std::process::exit(0);
    }
    let name = std::env::var("MEDANCHOR_TARGET").expect("MEDANCHOR_TARGET names a target");
    let target = find(&name).unwrap_or_else(|| panic!("no target {name}; see fuzz/README.md"));
    TARGET.get_or_init(|| target);
}

fuzz_target!(init: prepare(), |bytes: &[u8]| {
    if let Some(target) = TARGET.get() {
        target.run(bytes);
    }
});
