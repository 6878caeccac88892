//! Checkers that we did not write, against a live network and its receipts. Each accepts what is right
//! and refuses the same with one thing wrong.
//!
//! `.ci/strangers-install` puts them into `target/strangers`; where one is missing, its test says so in
//! a line that begins with "skipped:".

mod bucket_access;
mod checking;
mod go;
mod hapi;
mod litewitness;
mod live;
mod object_store;
mod python;
mod torchwood;
mod vault_bucket;
mod witness;
