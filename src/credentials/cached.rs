//! Fetched once, kept until near their end.

use crate::{BoxError, Credentials, CredentialsProvider, Error, ErrorKind, clock::Clock};
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
};

/// The last fifth of a lifetime is for fetching others. The service's clients begin at 80 % (Go SDK v2) or 85 % (oss2)
/// of it, its credentials tool 180 s before the end, which is this for the shortest tokens that STS gives out (900 s).
const LAST_PART: u64 = 5;
/// After an early fetch that failed; as the Go SDK v2 does.
const POSTPONED: u64 = 120;

/// A provider that is asked seldom: what it gave is kept until four fifths of its lifetime are over.
///
/// - One thread fetches. While what is held is still good, others go on with it; if not, they wait.
/// - An early fetch that fails is no outage: what is held is used to its end, and the next try comes two minutes later.
/// - When the service refuses what is held, others are fetched at once, and only once however many threads were refused.
///   Without an [expiry](Credentials::with_expiry) this is the only reason to fetch again.
/// - Credentials that have expired already when they come are handed out: of this machine's clock and the service's, the
///   service's counts.
///
/// ```
/// use oss_append::{Auth, Credentials, credentials::Cached};
/// use std::time::{Duration, SystemTime};
///
/// let auth = Auth::provider(Cached::new(|| {
///     // from your vault, some hundred milliseconds away
///     let hour = SystemTime::now() + Duration::from_secs(3600);
///     Ok(Credentials::new("STS.id", "secret").with_token("token").with_expiry(hour))
/// }));
/// # drop(auth);
/// ```
pub struct Cached<P> {
    pub(super) provider: P,
    clock: Clock,
    state: Mutex<State>,
    /// Whose turn it is to fetch.
    turn: Mutex<()>,
}

#[derive(Default, Clone)]
struct State {
    held: Option<Held>,
    /// How many fetches have ended, and how the last one did.
    fetches: u64,
    failure: Option<Error>,
}

#[derive(Clone)]
struct Held {
    credentials: Credentials,
    /// In seconds since 1970: when to fetch others, and when these are no longer any good.
    renew: u64,
    end: u64,
}

impl Held {
    fn new(credentials: Credentials, now: u64) -> Self {
        let (renew, end) = match credentials.expiry() {
            Some(end) if end > now => (end - (end - now) / LAST_PART, end),
            Some(_) => (now.saturating_add(POSTPONED), u64::MAX),
            None => (u64::MAX, u64::MAX),
        };
        Self { credentials, renew, end }
    }
}

impl<P: CredentialsProvider> Cached<P> {
    /// Nothing is fetched yet.
    pub fn new(provider: P) -> Self {
        Self { provider, clock: Clock::default(), state: Mutex::default(), turn: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is only ever replaced whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one fetch, unless another thread's has ended since `seen`: then that is the answer.
    fn fetch(&self, seen: u64, fetch: impl FnOnce() -> Result<Credentials, BoxError>) -> Result<Credentials, Error> {
        let state = self.state().clone();
        if state.fetches != seen {
            return match (state.failure, state.held) {
                (None, Some(held)) => Ok(held.credentials),
                (failure, _) => {
                    Err(failure.unwrap_or_else(|| Error::new(ErrorKind::Credentials, "nothing was fetched")))
                }
            };
        }
        let fetched = fetch();
        let now = self.clock.now();
        let mut state = self.state();
        state.fetches += 1;
        match fetched {
            Ok(credentials) => {
                state.failure = None;
                state.held = Some(Held::new(credentials.clone(), now));
                Ok(credentials)
            }
            Err(cause) => {
                let what = match &mut state.held {
                    Some(held) => {
                        held.renew = now.saturating_add(POSTPONED);
                        "the credentials have expired, and others could not be fetched"
                    }
                    None => "no credentials could be fetched",
                };
                let error = Error::new(ErrorKind::Credentials, what).with_source(cause);
                state.failure = Some(error.clone());
                Err(error)
            }
        }
    }
}

impl<P: CredentialsProvider> CredentialsProvider for Cached<P> {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        let State { held, fetches, .. } = self.state().clone();
        let now = self.clock.now();
        match held {
            Some(held) if now < held.renew && now < held.end => Ok(held.credentials),
            Some(held) if now < held.end => match self.turn.try_lock() {
                Err(TryLockError::WouldBlock) => Ok(held.credentials),
                _turn => Ok(self.fetch(fetches, || self.provider.credentials()).unwrap_or(held.credentials)),
            },
            _ => {
                let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(self.fetch(fetches, || self.provider.credentials())?)
            }
        }
    }

    fn refresh(&self, refused: &Credentials) -> Result<Credentials, BoxError> {
        let seen = self.state().fetches;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.state().held.clone();
        match held {
            Some(held) if !held.credentials.is_same(refused) => Ok(held.credentials),
            _ => Ok(self.fetch(seen, || self.provider.refresh(refused))?),
        }
    }
}

impl<P> fmt::Debug for Cached<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{
            atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
            mpsc,
        },
        thread,
    };

    /// Fetches "1", "2" and so on, which live so many seconds.
    #[derive(Default)]
    struct Vault {
        fetched: AtomicU64,
        life: Option<i64>,
        closed: AtomicBool,
    }

    impl CredentialsProvider for Vault {
        fn credentials(&self) -> Result<Credentials, BoxError> {
            let n = self.fetched.fetch_add(1, SeqCst) + 1;
            if self.closed.load(SeqCst) {
                return Err("the vault is closed".into());
            }
            let expiry = self.life.map(|life| Clock::default().now().saturating_add_signed(life));
            Ok(Credentials::new(n.to_string(), "hidden").with_token("hidden").expiring(expiry))
        }
    }

    fn cache(life: Option<i64>) -> Cached<Vault> {
        Cached::new(Vault { life, ..Vault::default() })
    }

    #[track_caller]
    fn gives(cache: &Cached<Vault>, id: &str) {
        assert_eq!(cache.credentials().expect("some").id(), id);
    }

    fn fetched(cache: &Cached<Vault>) -> u64 {
        cache.provider.fetched.load(SeqCst)
    }

    fn close(cache: &Cached<Vault>, closed: bool) {
        cache.provider.closed.store(closed, SeqCst);
    }

    #[test]
    fn they_are_fetched_once_and_again_when_a_fifth_of_their_life_is_left() {
        let cache = cache(Some(3600));
        for _ in 0..100 {
            gives(&cache, "1");
        }
        cache.clock.advance(3600 * 4 / 5 - 60);
        gives(&cache, "1");
        cache.clock.advance(120);
        gives(&cache, "2");
        gives(&cache, "2");
        assert_eq!(fetched(&cache), 2);
    }

    #[test]
    fn a_failed_early_fetch_is_no_outage() {
        let cache = cache(Some(3600));
        gives(&cache, "1");
        close(&cache, true);
        cache.clock.advance(3000);
        for _ in 0..9 {
            gives(&cache, "1");
        }
        assert_eq!(fetched(&cache), 2, "one try, then a pause");
        cache.clock.advance(POSTPONED.cast_signed() - 60);
        gives(&cache, "1");
        assert_eq!(fetched(&cache), 2);
        cache.clock.advance(61);
        gives(&cache, "1");
        assert_eq!(fetched(&cache), 3, "the next try");
        close(&cache, false);
        cache.clock.advance(POSTPONED.cast_signed());
        gives(&cache, "4");
        gives(&cache, "4");
    }

    #[test]
    fn after_their_end_the_cause_is_told() {
        let cache = cache(Some(3600));
        close(&cache, true);
        let error = cache.credentials().expect_err("closed");
        assert_eq!(error.to_string(), "no credentials could be fetched");
        close(&cache, false);
        gives(&cache, "2");
        close(&cache, true);
        cache.clock.advance(3600);
        for n in 3..5 {
            let error = cache.credentials().expect_err("closed");
            assert_eq!(error.to_string(), "the credentials have expired, and others could not be fetched");
            assert_eq!(error.source().expect("kept").to_string(), "the vault is closed");
            assert!(!format!("{error:?} {cache:?}").contains("hidden"));
            assert_eq!(fetched(&cache), n, "each call that needs them tries");
        }
        close(&cache, false);
        gives(&cache, "5");
    }

    #[test]
    fn without_an_end_only_a_refusal_fetches_others() {
        let cache = cache(None);
        gives(&cache, "1");
        cache.clock.advance(i64::from(u32::MAX));
        gives(&cache, "1");
        let refused = cache.credentials().expect("held");
        assert_eq!(cache.refresh(&refused).expect("open").id(), "2");
        gives(&cache, "2");
        // The same refusal, told by others.
        for _ in 0..9 {
            assert_eq!(cache.refresh(&refused).expect("held").id(), "2");
        }
        assert_eq!(fetched(&cache), 2);
    }

    #[test]
    fn a_refusal_while_the_source_fails_costs_nothing_that_is_held() {
        let cache = cache(Some(3600));
        let refused = cache.credentials().expect("open");
        close(&cache, true);
        assert!(cache.refresh(&refused).is_err());
        gives(&cache, "1");
        close(&cache, false);
        assert_eq!(cache.refresh(&refused).expect("open").id(), "3");
    }

    #[test]
    fn what_has_expired_on_arrival_is_for_the_service_to_judge() {
        for life in [0, -3600, -i64::from(u32::MAX)] {
            let cache = cache(Some(life));
            for _ in 0..9 {
                gives(&cache, "1");
            }
            cache.clock.advance(POSTPONED.cast_signed() + 1);
            gives(&cache, "2");
            close(&cache, true);
            cache.clock.advance(POSTPONED.cast_signed() + 1);
            gives(&cache, "2");
        }
    }

    #[test]
    fn short_lives_are_used_too() {
        let now = 1_000_000;
        let renew = |life| Held::new(Credentials::new("id", "secret").expiring(Some(now + life)), now).renew - now;
        assert_eq!([900, 100, 5, 1].map(renew), [720, 80, 4, 1]);
    }

    #[test]
    fn one_thread_fetches_early_while_others_use_what_is_held() {
        let (entered, wait_for_entry) = mpsc::channel();
        let (leave, wait_for_leave) = mpsc::channel::<()>();
        let (entered, wait_for_leave) = (Mutex::new(entered), Mutex::new(wait_for_leave));
        let asked = AtomicU64::new(0);
        let end = Clock::default().now() + 3600;
        let cache = Cached::new(move || {
            let n = asked.fetch_add(1, SeqCst);
            if n == 1 {
                entered.lock().map_err(|_| "poisoned")?.send(())?;
                wait_for_leave.lock().map_err(|_| "poisoned")?.recv()?;
            }
            Ok(Credentials::new(n.to_string(), "secret").expiring(Some(end)))
        });
        let id = || cache.credentials().expect("some").id().to_owned();
        assert_eq!(id(), "0");
        cache.clock.advance(3000);
        thread::scope(|scope| {
            let fetching = scope.spawn(id);
            wait_for_entry.recv().expect("it fetches");
            for _ in 0..9 {
                assert_eq!(id(), "0", "nobody waits");
            }
            leave.send(()).expect("it waits");
            assert_eq!(fetching.join().expect("no panic"), "1");
        });
    }

    #[test]
    fn threads_that_waited_take_what_was_fetched_meanwhile() {
        let cache = cache(None);
        let never = || -> Result<Credentials, BoxError> { unreachable!("somebody fetched meanwhile") };
        close(&cache, true);
        assert!(cache.credentials().is_err());
        let error = cache.fetch(0, never).expect_err("as the one that fetched");
        assert_eq!(std::error::Error::source(&error).expect("kept").to_string(), "the vault is closed");
        close(&cache, false);
        gives(&cache, "2");
        assert_eq!(cache.fetch(1, never).expect("as the one that fetched").id(), "2");

        let cache = self::cache(None);
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| gives(&cache, "1")))));
        assert_eq!(fetched(&cache), 1);
        let refused = cache.credentials().expect("held");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(cache.refresh(&refused).expect("open").id(), "2"));
            }
        });
        assert_eq!(fetched(&cache), 2);
    }

    #[test]
    fn a_provider_that_panics_is_asked_again() {
        let asked = AtomicU64::new(0);
        let cache = Cached::new(move || match asked.fetch_add(1, SeqCst) {
            0 => panic!("once"),
            _ => Ok(Credentials::new("id", "secret")),
        });
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cache.credentials().map(drop)));
        assert!(panicked.is_err());
        assert_eq!(cache.credentials().expect("asked again").id(), "id");
    }
}
