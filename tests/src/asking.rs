//! Asking custodians for their shares, one by one: what a reader's application does not do by itself.

use crate::city::{CUSTODIANS, City};
use anyhow::{Context, Result, bail};
use medanchor_sdk::custody::{AccessKind, ReleaseAsk};
use medanchor_sdk::direct::{Ask, Certificate, Link, LinkError, MAX_ANSWER};
use medanchor_sdk::{ClientConfig, Sdk};
use medanchor_vault::custody::SealingKey;

/// Asks a custodian for its share on a request of the asker's, over the channel of this certificate.
///
/// # Errors
/// If the statement cannot be made; the inner one is the custodian's.
pub fn ask_custodian(
    city: &City,
    asker: &Sdk,
    place: usize,
    request: &str,
    own: &Certificate,
) -> Result<Result<Vec<u8>, LinkError>> {
    let (link, statement) = (
        link(city, place, own)?,
        release_of(asker, place, request, own)?,
    );
    Ok(link.ask(Ask::Release, &statement, MAX_ANSWER))
}

/// A way to a custodian.
///
/// # Errors
/// If it is not in the address book.
pub fn link(city: &City, place: usize, own: &Certificate) -> Result<Link> {
    let name = CUSTODIANS[place].parse()?;
    let counterpart = city.book.get(&name).context("in the book")?;
    Ok(Link::new(own, counterpart, None, &ClientConfig::default())?)
}

/// The statement by which a custodian is asked for its share on a request.
///
/// # Errors
/// If it cannot be signed.
pub fn release_of(asker: &Sdk, place: usize, request: &str, own: &Certificate) -> Result<Vec<u8>> {
    let ask = ReleaseAsk {
        kind: AccessKind::Request,
        request: asker.request_handle(request),
        reader: reader_key(asker, request)?,
    };
    Ok(asker.state_to(&CUSTODIANS[place].parse()?, own, Ask::Release, ask.encode())?)
}

/// What a custodian said that released nothing.
///
/// # Errors
/// If it did release.
pub fn refusal(answer: Result<Vec<u8>, LinkError>) -> Result<String> {
    match answer {
        Err(error) => Ok(error.to_string()),
        Ok(_) => bail!("it was released"),
    }
}

/// The key that a request of this name names.
///
/// # Errors
/// If the identity cannot make it.
pub fn reader_key(asker: &Sdk, request: &str) -> Result<SealingKey> {
    Ok(asker.reader_key(request)?.public().clone())
}
