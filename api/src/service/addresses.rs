//! Rate limits by client address, for services without keys.
//!
//! Addresses that have been quiet for long enough are dropped. Finding them is a scan of all addresses, so it
//! runs at most once a second, and not on each request.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Up to this many addresses are kept without a scan for quiet ones.
const MANY: usize = 10_000;
/// Time between two scans, in milliseconds.
const BETWEEN: u64 = 1000;

/// Counts requests by address.
pub(crate) struct Addresses {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    started: Instant,
    /// When the next scan is allowed, in milliseconds since the start.
    next_look: AtomicU64,
    looks: AtomicU64,
}

impl Addresses {
    /// Allows `rate` requests a second for each address; `None` if the rate is 0, which means no limit.
    pub(crate) fn new(rate: u32) -> Option<Self> {
        let quota = Quota::per_second(NonZeroU32::new(rate)?);
        let limiter = RateLimiter::keyed(quota);
        Some(Self {
            limiter,
            started: Instant::now(),
            next_look: AtomicU64::new(0),
            looks: AtomicU64::new(0),
        })
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How long to wait, if the address has called too often.
    pub(crate) fn take(&self, address: IpAddr) -> Result<(), Duration> {
        if self.limiter.len() > MANY {
            self.forget_the_quiet();
        }
        let check = self.limiter.check_key(&network(address));
        check.map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    fn forget_the_quiet(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = self.next_look.load(Ordering::Acquire);
        // If several threads find the scan due, the exchange lets exactly one of them run it.
        if now >= due
            && self
                .next_look
                .compare_exchange(due, now + BETWEEN, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
        {
            self.looks.fetch_add(1, Ordering::Relaxed);
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

/// The network of an address. An IPv6 client has a whole network, and could call from a new address each
/// time.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_not_gone_through_on_every_request() {
        let addresses = Addresses::new(1).unwrap();
        for number in 0..30_000_u32 {
            addresses.take(IpAddr::V4(number.into())).unwrap();
        }
        let (looks, seconds) =
            (addresses.looks.load(Ordering::Relaxed), addresses.started.elapsed().as_secs());
        assert!((1..=seconds + 1).contains(&looks), "{looks} looks in {seconds} s");
    }

    #[test]
    fn a_network_of_ipv6_is_one_caller_and_a_mapped_address_is_its_own() {
        let addresses = Addresses::new(1).unwrap();
        assert!(addresses.take("2001:db8:1:2::1".parse().unwrap()).is_ok());
        assert!(addresses.take("2001:db8:1:2:ffff::9".parse().unwrap()).is_err());
        assert!(addresses.take("2001:db8:1:3::1".parse().unwrap()).is_ok());
        assert!(addresses.take("::ffff:10.0.0.1".parse().unwrap()).is_ok());
        assert!(addresses.take("10.0.0.1".parse().unwrap()).is_err());
    }
}
