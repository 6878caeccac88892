//! How patient a client is.

use std::time::Duration;

/// How long a client waits, and how often it tries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the answer to an ordinary request may take.
    pub request_timeout: Duration,
    /// How long the answer to a request that waits for a receipt may take.
    pub wait_timeout: Duration,
    /// How often a request is sent before the client gives up, over all nodes.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each, up to `longest_pause`.
    pub first_pause: Duration,
    /// The longest pause between two attempts.
    pub longest_pause: Duration,
    /// How long `wait` waits for a receipt before it gives up.
    pub patience: Duration,
    /// Whether HTTP_PROXY and its kin are heeded. Off by default: nodes are usually near.
    pub environment_proxy: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(20),
            wait_timeout: Duration::from_secs(40),
            attempts: 8,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            patience: Duration::from_secs(120),
            environment_proxy: false,
        }
    }
}
