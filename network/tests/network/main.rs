//! Networks on loopback, in one process, with an application in memory.

mod decide;
mod rules;
mod strangers;
mod support;
