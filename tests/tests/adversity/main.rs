//! A real node among members that lie, hold messages back or have its keys, and on disks that fail.

mod disk;
mod liars;
mod precommits;
mod stage;
mod twins;
