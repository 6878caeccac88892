//! The importer: documents written for the purpose, the project's sample data, files that nobody here
//! wrote, and the ledger's rules over whatever is planned.

mod consents;
mod documents;
mod rules;
mod seeds;
mod setup;
mod shared_data;
