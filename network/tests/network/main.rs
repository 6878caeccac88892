//! Networks on loopback, in one process, with an application in memory.

mod decide;
mod pace;
mod rules;
mod strangers;
mod support;
