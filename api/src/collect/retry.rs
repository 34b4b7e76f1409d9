//! How long to wait before a request is sent again.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use actix_web::http::header::HttpDate;

/// The longest wait of our own choice.
const LONGEST: Duration = Duration::from_secs(60);

/// The wait before the nth try again, from 1: somewhere in the upper half of a span that doubles each time,
/// so that what failed together does not come again together.
pub(crate) fn backoff(first: Duration, again: u32) -> Duration {
    let span = first.saturating_mul(1 << (again - 1).min(16)).min(LONGEST);
    // The keys of std's hasher are random; a generator is not worth a dependency here.
    let random = RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64;
    span.mul_f64(0.5 + random / 2.0)
}

/// How long a server asks to wait: seconds, or a date of HTTP.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date: SystemTime = value.parse::<HttpDate>().ok()?.into();
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_differ() {
        let first = Duration::from_secs(1);
        for (again, least, most) in [(1, 0.5, 1.0), (3, 2.0, 4.0), (10, 30.0, 60.0), (99, 30.0, 60.0)] {
            let wait = backoff(first, again).as_secs_f64();
            assert!((least..=most).contains(&wait), "{again}: {wait}");
        }
        let waits: Vec<Duration> = (0..8).map(|_| backoff(first, 5)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn a_server_asks_in_seconds_or_by_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let of = |value| retry_after(value, now);
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of(" 0.25 "), Some(Duration::from_millis(250)));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO), "a date that has passed");
        for nonsense in ["soon", "-1", "NaN", "inf", ""] {
            assert_eq!(of(nonsense), None, "{nonsense}");
        }
    }
}
