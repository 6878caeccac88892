//! The chain of policies that a mirror keeps.
//!
//! What always holds: what is kept was walked from genesis, and only ever grows; it is durable before a
//! checkpoint that needs it is kept, and each later policy's file is there before the chain names it.

use super::folder::Folder;
use crate::fault::{Failure, Trouble};
use crate::source::Source;
use crate::trust::{CHAIN, Trust};
use medanchor_ledger::policy::PolicyChain;

/// Adds the chain that the mirror kept to what is known.
pub(super) fn read(folder: &Folder, trust: &mut Trust) -> Result<(), Failure> {
    let Err(failure) = trust.learn_from(folder.log()) else {
        return Ok(());
    };
    let path = folder.path(CHAIN);
    let why = format!(
        "{} of the mirror is no good: {failure}; mirror to an empty folder, or give the right --policy-chain",
        path.display()
    );
    Err(Trouble::Mirror(why).into())
}

/// Keeps the longest chain that is known, and the files of its policies.
pub(super) fn keep(folder: &Folder, trust: &Trust) -> Result<(), Failure> {
    let Some(chain) = trust.chain() else {
        return Ok(());
    };
    let encoded = chain.encode();
    if folder
        .log()
        .read(CHAIN, PolicyChain::MAX_BYTES as u64)?
        .as_ref()
        == Some(&encoded)
    {
        return Ok(());
    }
    for link in &chain.links {
        let path = format!("policies/{}", link.policy.hash());
        folder.write(&path, link.policy.as_bytes())?;
    }
    folder.sync()?;
    Ok(folder.keep(CHAIN, &encoded)?)
}
