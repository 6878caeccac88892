//! `state`, `history` and `access`: documents that prove what the state holds, checked offline, and the
//! first two made from a published log without any node.
//!
//! What always holds: a document is checked by those whom the files that were given say to trust and nothing else, and
//! the answer says of which height it speaks and which keys counted. One that is made rests on a replay
//! of the whole log up to its height by the rules, and is checked before its file is there.

mod access;
pub(crate) mod args;
mod failure;
mod history;
mod make;
mod pages;
mod rests;
mod state;

pub(crate) use access::run as access;
pub(crate) use history::run as history;
pub(crate) use state::run as state;
