//! How often, and how long to wait between. The only file that sleeps.

#![expect(clippy::disallowed_methods, reason = "this is the room that owns sleeping")]

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    thread,
    time::Duration,
};

/// How patient to be. Attempts, first and longest pause are those of the service's own clients unless told otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// In all, the first one included.
    pub(crate) attempts: u32,
    /// No first pause is longer.
    pub(crate) first: Duration,
    /// No pause at all is longer, whatever the server asks for.
    pub(crate) longest: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { attempts: 3, first: Duration::from_millis(200), longest: Duration::from_secs(20) }
    }
}

impl Policy {
    pub(crate) fn pauses(&self) -> Pauses {
        Pauses { policy: *self, taken: 0 }
    }

    /// Full jitter, so that clients stopped by the same fault do not come back together. A `Retry-After` is a request
    /// to wait at least that long.
    fn pause(&self, taken: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(taken).unwrap_or(u32::MAX));
        let bound = doubled.min(self.longest);
        let jittered = Duration::try_from_secs_f64(bound.as_secs_f64() * random).unwrap_or(bound);
        jittered.max(retry_after.unwrap_or_default()).min(self.longest)
    }
}

/// The pauses of one operation, each about twice as long as the one before.
#[derive(Debug)]
pub(crate) struct Pauses {
    policy: Policy,
    taken: u32,
}

impl Pauses {
    /// Sleeps before the next attempt, and first tells how long; `retry_after` is what the last answer asked for.
    pub(crate) fn wait(&mut self, retry_after: Option<Duration>, tell: impl FnOnce(Duration)) {
        let pause = self.next(retry_after);
        tell(pause);
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }

    #[cold]
    fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let pause = self.policy.pause(self.taken, retry_after, random());
        self.taken = self.taken.saturating_add(1);
        pause
    }
}

/// In [0, 1). Every `RandomState` has keys of its own, and what it makes of nothing differs with them.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const NEARLY_ONE: f64 = 1.0 - f64::EPSILON / 2.0;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = Policy::default();
        let halves: Vec<_> = (0..9).map(|taken| policy.pause(taken, None, 0.5).as_millis()).collect();
        assert_eq!(halves, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn chance_decides_between_nothing_and_the_whole_pause() {
        let policy = Policy::default();
        assert_eq!(policy.pause(0, None, 0.0), Duration::ZERO);
        assert!(policy.pause(0, None, NEARLY_ONE) <= policy.first);
        assert!(policy.pause(0, None, NEARLY_ONE) > policy.first * 99 / 100);
    }

    #[test]
    fn the_server_may_ask_for_more_but_not_for_more_than_the_longest() {
        let policy = Policy::default();
        let asked = |seconds| policy.pause(0, Some(Duration::from_secs(seconds)), 0.5);
        assert_eq!(asked(0), Duration::from_millis(100));
        assert_eq!(asked(7), Duration::from_secs(7));
        assert_eq!(asked(u64::MAX), policy.longest);
    }

    #[test]
    fn without_pauses_nothing_ever_sleeps() {
        let policy = Policy { first: Duration::ZERO, longest: Duration::ZERO, ..Policy::default() };
        let (mut pauses, mut told) = (policy.pauses(), 0);
        for _ in 0..100 {
            pauses.wait(Some(Duration::MAX), |pause| {
                assert_eq!(pause, Duration::ZERO);
                told += 1;
            });
        }
        assert_eq!(told, 100);
        assert_eq!(policy.pause(100, Some(Duration::MAX), NEARLY_ONE), Duration::ZERO);
        assert_eq!(Policy { first: Duration::ZERO, ..Policy::default() }.pause(100, None, NEARLY_ONE), Duration::ZERO);
    }

    #[test]
    fn a_pause_is_told_before_it_begins_and_is_no_shorter_than_that() {
        let (policy, asked) = (Policy { first: Duration::ZERO, ..Policy::default() }, Duration::from_millis(2));
        let mut told = None;
        policy.pauses().wait(Some(asked), |pause| told = Some((pause, clock::instant())));
        let (pause, before) = told.expect("a pause is told");
        assert_eq!(pause, asked);
        assert!(before.elapsed() >= pause);
    }

    #[test]
    fn no_policy_is_too_large_to_compute() {
        for first in [Duration::from_nanos(1), Duration::from_secs(1), Duration::MAX] {
            for taken in [0, 1, 31, 32, 33, 64, u32::MAX] {
                for random in [0.0, 0.5, NEARLY_ONE] {
                    let policy = Policy { first, longest: Duration::MAX, ..Policy::default() };
                    assert!(policy.pause(taken, None, random) <= Duration::MAX);
                    assert_eq!(policy.pause(taken, Some(Duration::MAX), random), Duration::MAX);
                    let policy = Policy { longest: Duration::from_secs(20), ..policy };
                    assert!(policy.pause(taken, None, random) <= policy.longest);
                }
            }
        }
    }

    #[test]
    fn chance_is_between_zero_and_one_and_seldom_the_same() {
        let drawn: Vec<_> = (0..1000).map(|_| random()).collect();
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)));
        assert!((300..700).contains(&drawn.iter().filter(|number| **number < 0.5).count()));
    }
}
