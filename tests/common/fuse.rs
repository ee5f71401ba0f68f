//! Panics where a test wants them: in the provider, or in the hook.

use super::{BUCKET, BuilderFor, Stage};
use oss_append::{Auth, Bucket, Credentials, Event};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Counts down; whoever finds it at 1 panics.
#[derive(Clone, Default)]
pub(crate) struct Fuse(Arc<AtomicUsize>);

impl Fuse {
    pub(crate) fn tick(&self) {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        assert_ne!(left, 1, "the fuse is burnt");
    }

    /// Ticks with every request; the provider panics.
    pub(crate) fn provider(&self, stage: &Stage) -> Bucket {
        let fuse = self.clone();
        let (id, secret) = (stage.oss.access_key_id().to_owned(), stage.oss.access_key_secret().to_owned());
        let auth = Auth::provider(move || {
            fuse.tick();
            Ok(Credentials::new(id.clone(), secret.clone()))
        });
        stage.oss.builder_for(auth, 3)
    }

    /// The hook panics: at a failure, or at what comes before one.
    pub(crate) fn hook(&self, stage: &Stage, at_failures: bool) -> Bucket {
        let fuse = self.clone();
        let builder = stage.oss.builder(BUCKET).attempts(3).on_event(move |event| {
            if matches!(event, Event::Failed { .. }) == at_failures {
                fuse.tick();
            }
        });
        builder.build().unwrap()
    }

    /// Calls, and sees the panic at the `nth` tick from now.
    #[track_caller]
    pub(crate) fn burns_at<T>(&self, nth: usize, call: impl FnOnce() -> T) {
        self.0.store(nth, Ordering::Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err(), "it should have panicked");
        self.0.store(0, Ordering::Relaxed);
    }
}
