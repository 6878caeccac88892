//! `medanchor status`: how a running node is.

use crate::config::Config;
use crate::exit::{Exit, Fatal};
use crate::home::Home;
use crate::http::service::Status as NodeStatus;
use crate::output::{PrintError, say};
use crate::process::Addresses;
use std::path::PathBuf;
use std::time::Duration;

/// Ask a running node how it is
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  medanchor status --home net/north-hospital
  medanchor status --url http://127.0.0.1:8480 --json

Exit codes: 0 it answered; 2 wrong usage; 10 HOME/config.toml cannot be used; 19 it did not answer.")]
pub struct Status {
    /// The node's home
    #[arg(long, env = "MEDANCHOR_HOME", required_unless_present = "url")]
    home: Option<PathBuf>,
    /// The node's address
    #[arg(long, conflicts_with = "home")]
    url: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(status: &Status) -> Result<Exit, Fatal> {
    let url = match (&status.url, &status.home) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, home) => url_of(&Home::new(home.clone().unwrap_or_default()))?,
    };
    let answer = ask(&url)?;
    if status.json {
        say(format_args!(
            "{}",
            serde_json::to_string_pretty(&answer).unwrap_or_default()
        ))?;
    } else {
        print(&url, &answer)?;
    }
    Ok(Exit::Success)
}

fn url_of(home: &Home) -> Result<String, Fatal> {
    if let Some(addresses) = Addresses::read(home) {
        return Ok(addresses.url());
    }
    let config =
        Config::read(&home.config()).map_err(|e| Fatal::new(Exit::Config, e.to_string()))?;
    Ok(format!("http://{}", config.http.listen))
}

fn ask(url: &str) -> Result<NodeStatus, Fatal> {
    let unreachable = |error: ureq::Error| {
        Fatal::new(
            Exit::Unreachable,
            format!("{url} does not answer: {error}; does the node run?"),
        )
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(5)))
        .proxy(None)
        .build()
        .into();
    let mut response = agent
        .get(format!("{url}/v1/status"))
        .call()
        .map_err(unreachable)?;
    let text = response.body_mut().read_to_string().map_err(unreachable)?;
    serde_json::from_str(&text)
        .map_err(|_| Fatal::new(Exit::Unreachable, format!("{url} is no Medanchor node")))
}

fn print(url: &str, status: &NodeStatus) -> Result<(), PrintError> {
    let part = if status.validator { "votes" } else { "follows" };
    let pace = if status.idle { "idle" } else { "deciding" };
    say(format_args!("{} ({part}) at {url}", status.name))?;
    say(format_args!("  network    {}", status.origin))?;
    say(format_args!(
        "  height     {} ({pace}, round {})",
        status.height, status.round
    ))?;
    say(format_args!(
        "  log        {} entries, {} published",
        status.size, status.published
    ))?;
    say(format_args!("  root       {}", status.root))?;
    say(format_args!("  state      {}", status.state_root))?;
    say(format_args!(
        "  pool       {} events, {} bytes",
        status.pool_events, status.pool_bytes
    ))?;
    if let Some(copy) = &status.publishing {
        say(format_args!(
            "  copy       {} entries at {}, {} behind for {} s",
            copy.size, copy.url, copy.behind_entries, copy.behind_seconds
        ))?;
        if let Some(error) = &copy.last_error {
            say(format_args!("             {error}"))?;
        }
    }
    for peer in &status.peers {
        let mark = if peer.connected {
            "connected"
        } else {
            "NOT CONNECTED"
        };
        say(format_args!("  peer       {:<24} {mark}", peer.name))?;
    }
    for witness in &status.witnesses {
        let answer = match witness.answer.as_str() {
            "" => "not asked yet",
            "200" => "cosigns",
            answer => answer,
        };
        say(format_args!(
            "  witness    {:<24} {answer}, {} entries cosigned",
            witness.name, witness.size
        ))?;
    }
    Ok(())
}
