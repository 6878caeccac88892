//! How often one client address may ask: a token bucket for each address.
//!
//! What always holds: the table holds a bounded number of addresses; when it is full, the address
//! that is closest to a full bucket, and so loses least, makes room. An IPv6 client counts as its /64.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Addresses remembered at once.
const ADDRESSES: usize = 16_384;

/// Addresses looked at to find one that can go.
const SAMPLE: usize = 16;

/// Token buckets by client address.
pub struct RateLimiter {
    per_second: f64,
    burst: f64,
    buckets: HashMap<IpAddr, Bucket>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl RateLimiter {
    /// `per_second` requests for each address, saved up to `burst`; 0 a second is no limit.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            burst: f64::from(burst.max(1)),
            buckets: HashMap::new(),
        }
    }

    /// Counts a request at `now`; if it is one too many, says how long to wait.
    ///
    /// # Errors
    /// The time after which the next request will be let through.
    pub fn take(&mut self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.per_second == 0.0 {
            return Ok(());
        }
        let client = group(client);
        if !self.buckets.contains_key(&client) {
            self.make_room();
        }
        let (burst, per_second) = (self.burst, self.per_second);
        let bucket = self.buckets.entry(client).or_insert(Bucket {
            tokens: burst,
            at: now,
        });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * per_second).min(burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / per_second));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    fn make_room(&mut self) {
        if self.buckets.len() < ADDRESSES {
            return;
        }
        // The map's order is random, so a fixed sample is a fair one.
        let oldest = self
            .buckets
            .iter()
            .take(SAMPLE)
            .min_by_key(|(_, bucket)| bucket.at);
        if let Some(address) = oldest.map(|(address, _)| *address) {
            self.buckets.remove(&address);
        }
    }
}

pub(super) fn group(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => IpAddr::V4(mapped),
            None => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(10, 3);
        for _ in 0..3 {
            limiter.take(client(1), start).expect("within the burst");
        }
        let wait = limiter.take(client(1), start).expect_err("one too many");
        assert!(wait <= Duration::from_millis(101));
        limiter
            .take(client(2), start)
            .expect("another address has its own bucket");
        limiter
            .take(client(1), start + Duration::from_millis(101))
            .expect("refilled");
    }

    #[test]
    fn the_table_is_bounded() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(10, 3);
        for number in 0..(ADDRESSES as u32 + 100) {
            limiter.take(client(number), start).expect("first request");
        }
        assert_eq!(limiter.buckets.len(), ADDRESSES);
    }

    #[test]
    fn neighbours_in_one_ipv6_network_share_a_bucket() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(1, 1);
        limiter
            .take("2001:db8::1".parse().expect("an address"), start)
            .expect("first");
        limiter
            .take("2001:db8::2".parse().expect("an address"), start)
            .expect_err("same /64");
    }
}
