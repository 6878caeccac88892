//! `medanchor patient approve`: a consent or a delegation in words, and the patient's signature over exactly
//! that.

use super::card::{Opened, write_secret};
use super::{failed, read_text};
use crate::exit::{Exit, Fatal};
use crate::output::say;
use medanchor_sdk::import::instant;
use medanchor_sdk::subject::{DelegationWords, Words};
use medanchor_sdk::{Approval, ConsentDraft, DelegationDraft, SdkError, Subject};
use std::path::{Path, PathBuf};

/// With a card, approve a consent or a delegation that an institution drafted
///
/// Shows what the consent, or the delegation to a guardian or proxy, grants, and signs exactly that.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor patient approve --card card/card.txt --pin-file pin --genesis net/genesis \\
      --draft draft --yes --out mine/1.approval

Without --yes it only shows what would be signed: who may read what, or who would decide for the
patient, in which relation, on what basis and until when. The institution grants it with the
approval; keep a copy, since `medanchor patient history --approvals` tells by it which consents were
yours, and which a delegate of yours gave. The approval of a delegation names the delegate: keep it
to yourself.

A consent covers what is sealed up to the quarter in which it was drafted. With it you approve that
the institution renews it, in the same words, for each later quarter until it ends: one line of the
file for each. The end of the consent ends these, too.

A delegate grants without asking the patient again. The end of a delegation ends every consent that
rests on it: have the institution revoke it, or end it with this card, `medanchor patient end`, as
you can every consent that you approve.

Exit codes: 0 it is approved, or shown; 1 it is not; 2 wrong usage; 16 the PIN's file cannot be
used.")]
pub struct Approve {
    #[command(flatten)]
    opened: Opened,
    /// The draft of the consent or delegation, as the institution's application gives it
    #[arg(long, value_name = "FILE")]
    draft: PathBuf,
    /// The patient has read it and agrees
    #[arg(long, requires = "out")]
    yes: bool,
    /// A new file for the approval
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What waits for the approval.
enum Draft {
    Consent(ConsentDraft),
    Delegation(DelegationDraft),
}

impl Draft {
    fn read(path: &Path) -> Result<Self, Fatal> {
        let text = read_text(path)?;
        let read = match text.starts_with(DelegationDraft::LABEL) {
            true => DelegationDraft::from_text(&text).map(Self::Delegation),
            false => ConsentDraft::from_text(&text).map(Self::Consent),
        };
        read.map_err(|error| failed(path, error))
    }

    fn show(&self) -> Result<(), Fatal> {
        match self {
            Self::Consent(draft) => show_consent(draft.words()),
            Self::Delegation(draft) => show_delegation(draft.words()),
        }
    }

    /// The approval as text; of a consent with those of its re-issues, one in each line.
    fn approve(&self, subject: &Subject) -> Result<String, SdkError> {
        Ok(match self {
            Self::Consent(draft) => {
                let mut all = vec![subject.approve(draft)?];
                all.extend(subject.approve_renewals(draft)?);
                Approval::list_to_text(&all)
            }
            Self::Delegation(draft) => subject.approve_delegation(draft)?.to_text(),
        })
    }
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(approve: &Approve) -> Result<Exit, Fatal> {
    let draft = Draft::read(&approve.draft)?;
    draft.show()?;
    let Some(out) = approve.out.as_deref().filter(|_| approve.yes) else {
        say(format_args!(
            "Nothing is signed; add --yes and --out to approve it."
        ))?;
        return Ok(Exit::Success);
    };
    let (subject, _) = approve.opened.subject()?;
    let approval = draft.approve(&subject);
    write_secret(
        out,
        &approval.map_err(|error| failed(&approve.draft, error))?,
    )?;
    say(format_args!("Approved: {}", out.display()))?;
    Ok(Exit::Success)
}

fn show_consent(words: &Words) -> Result<(), Fatal> {
    say(format_args!("Consent {} of {}", words.consent, words.owner))?;
    for one in &words.grantees {
        let whom = match &one.member {
            Some(member) => format!("{}, only the person or team {member}", one.participant),
            None => one.participant.to_string(),
        };
        say(format_args!("  lets   {whom} read"))?;
    }
    // The words are another's: what could pass for another line is shown as an escape.
    let list = |words: &[String]| words.join(", ").escape_debug().to_string();
    say(format_args!("  for    {}", list(&words.purposes)))?;
    say(format_args!("  data   {}", list(&words.classes)))?;
    say(format_args!(
        "  sealed since {} (UTC)",
        instant(words.first.begin())
    ))?;
    say(format_args!(
        "  from   {} until {} (UTC)",
        instant(words.not_before),
        instant(words.not_after)
    ))?;
    let later = words.later_quarters().count();
    match words.root {
        Some(root) => say(format_args!("  ends   also when consent {root} does"))?,
        None if later > 0 => say(format_args!(
            "  means  {} renews it for what is sealed in each of {later} later quarters, in these words, and you\n         \
             are not asked again; when you end the consent, that ends, too.",
            words.owner
        ))?,
        None => {}
    }
    Ok(())
}

/// Their texts are one line each, as every draft's that can be read.
fn show_delegation(words: &DelegationWords) -> Result<(), Fatal> {
    let (name, owner) = (&words.called, &words.owner);
    say(format_args!("Delegation {} of {owner}", words.delegation))?;
    say(format_args!(
        "  lets   {name} decide for you as your {} ({owner} calls them {})",
        words.relation.as_str(),
        words.delegate
    ))?;
    say(format_args!("  basis  {}", words.basis))?;
    say(format_args!(
        "  from   {} until {} (UTC)",
        instant(words.not_before),
        instant(words.not_after)
    ))?;
    say(format_args!(
        "  means  {name} lets others read your records at {owner} and you are not asked again, until the\n         \
         delegation ends, and with it all that was granted under it: {owner} can revoke it, and you can end\n         \
         it with this card. {name} signs nothing: what {owner} enters as {name}'s decision counts as that."
    ))
    .map_err(Into::into)
}
