//! What the engine's tests share: a fake, a bucket whose requests somebody acts between, and short ways to look.

#![allow(dead_code, reason = "each crate of tests uses its part")]
#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

pub(crate) mod fuse;

use oss_append::{
    Appender, AppenderBuilder, Auth, Bucket, Checkpoint, Credentials, Error, ErrorKind, Outcome, testing::FakeOss,
};
use std::{
    io::Write,
    ops::Range,
    sync::{Arc, Mutex},
};

pub(crate) const BUCKET: &str = "bucket";
pub(crate) const KEY: &str = "log";

/// A fake OSS, and the one object that everything is about.
pub(crate) struct Stage {
    pub(crate) oss: Arc<FakeOss>,
}

impl Stage {
    /// Without the object.
    pub(crate) fn empty() -> Self {
        let oss = Arc::new(FakeOss::start().unwrap());
        oss.create_bucket(BUCKET);
        Self { oss }
    }

    /// The object holds `base`.
    pub(crate) fn with(base: &str) -> Self {
        let stage = Self::empty();
        stage.oss.append_as_stranger(BUCKET, KEY, base.as_bytes());
        stage
    }

    pub(crate) fn bucket(&self, attempts: u32) -> Bucket {
        self.oss.builder(BUCKET).attempts(attempts).build().unwrap()
    }

    /// Before each request `act` is told how many there were already, counted from now; of each number once.
    pub(crate) fn bucket_with(&self, attempts: u32, act: impl FnMut(usize, &FakeOss) + Send + 'static) -> Bucket {
        let (oss, state, before) = (Arc::clone(&self.oss), Mutex::new((act, 0)), self.oss.requests().len());
        let auth = Auth::provider(move || {
            let (act, next) = &mut *state.lock().unwrap();
            let n = oss.requests().len() - before;
            if n >= *next {
                *next = n + 1;
                act(n, &oss);
            }
            Ok(Credentials::new(oss.access_key_id(), oss.access_key_secret()))
        });
        self.oss.builder_for(auth, attempts)
    }

    /// The object's text when everything late has landed.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        self.oss.land();
        String::from_utf8(self.oss.object(BUCKET, KEY).expect("the object should be there")).unwrap()
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.oss.land();
        self.oss.object(BUCKET, KEY).is_none()
    }

    /// `POST 4`, `HEAD`, `GET`: what was asked for, in order, from the `from`th on.
    pub(crate) fn calls_from(&self, from: usize) -> Vec<String> {
        let requests = self.oss.requests();
        let call = |r: &oss_append::testing::Recorded| match r.target.split_once("position=") {
            Some((_, position)) => format!("{} {position}", r.method),
            None => r.method.clone(),
        };
        requests[from..].iter().map(call).collect()
    }

    pub(crate) fn posts(&self) -> usize {
        self.oss.requests().iter().filter(|r| r.method == "POST").count()
    }
}

/// So that a bucket with its own credentials is reached like the fake's own.
pub(crate) trait BuilderFor {
    fn builder_for(&self, auth: Auth, attempts: u32) -> Bucket;
}

impl BuilderFor for FakeOss {
    fn builder_for(&self, auth: Auth, attempts: u32) -> Bucket {
        let builder = Bucket::builder(auth, &self.endpoint(), BUCKET).region(self.region());
        builder.backoff(std::time::Duration::ZERO, std::time::Duration::ZERO).attempts(attempts).build().unwrap()
    }
}

pub(crate) fn at(base: &str) -> Checkpoint {
    Checkpoint::default().advance(base)
}

pub(crate) fn log(bucket: &Bucket) -> AppenderBuilder {
    bucket.appender(KEY)
}

/// `confirm` after a write that only fills the buffer.
#[track_caller]
pub(crate) fn put(appender: &mut Appender, text: &str) -> Result<Checkpoint, Error> {
    appender.write_all(text.as_bytes()).expect("there is room in the buffer");
    appender.confirm()
}

/// An error, by its kind and outcome.
#[track_caller]
pub(crate) fn says(error: &Error, kind: ErrorKind, outcome: Outcome) {
    assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{error:?}");
}

/// What an appender keeps.
#[track_caller]
pub(crate) fn keeps(appender: &Appender, pending: &str, in_doubt: Option<Range<u64>>) {
    assert_eq!((std::str::from_utf8(appender.pending()).unwrap(), appender.in_doubt()), (pending, in_doubt));
}

/// Everything accepted is in and proved: nothing is pending, and the checkpoint is that of the object.
#[track_caller]
pub(crate) fn settled(appender: &Appender, stage: &Stage, text: &str) {
    assert_eq!(stage.text(), text);
    keeps(appender, "", None);
    assert_eq!(appender.checkpoint(), at(text));
}

/// The error inside what `io::Write` gives.
#[track_caller]
pub(crate) fn ours(error: &std::io::Error) -> &Error {
    Error::find(error).expect("ours should be inside")
}
