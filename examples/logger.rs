//! A program's log, in an object: `log` and env_logger write to an [`Appender`].
//!
//! ```console
//! $ cargo run --example logger
//! no OSS_BUCKET set: using the fake
//! 1000 records in 3 requests, confirmed up to v1:42890:...
//! ```
//!
//! With `OSS_BUCKET` and the other variables of `Bucket::from_env` set, it writes to `example/logger.log` there.

use oss_append::{Appender, Bucket, testing::FakeOss};
use std::{
    error::Error,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A global logger is never dropped: this second handle confirms the last records.
#[derive(Clone)]
struct Shared(Arc<Mutex<Appender>>);

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Appender) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Shared {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.with(|log| log.write(record))
    }
    fn flush(&mut self) -> io::Result<()> {
        self.with(Write::flush)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "which bucket it is to be is the user's to say")]
    let real = std::env::var_os("OSS_BUCKET").is_some();
    let oss = FakeOss::start()?;
    let bucket = if real { Bucket::from_env()? } else { oss.bucket("bucket") };
    println!("{}", if real { "using the bucket of OSS_BUCKET" } else { "no OSS_BUCKET set: using the fake" });

    // env_logger flushes after each record, which would be a request each: below 16 KiB and 5 s a flush does nothing.
    let log = bucket.appender("example/logger.log").flush_threshold(16 << 10).max_age(Duration::from_secs(5)).open()?;
    let sink = Shared(Arc::new(Mutex::new(log)));
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        // The HTTP client logs while it sends: into a sink that is waiting for it.
        .filter_module("ureq", log::LevelFilter::Off)
        .filter_module("rustls", log::LevelFilter::Off)
        .target(env_logger::Target::Pipe(Box::new(sink.clone())))
        .format(|to, record| writeln!(to, "{} {}", record.level(), record.args()))
        .init();
    for n in 0..1000 {
        log::info!("record {n} of many, none of them lost");
    }
    let end = sink.with(Appender::confirm)?;
    let requests = oss.requests().iter().filter(|request| request.method == "POST").count();
    println!("1000 records in {requests} requests, confirmed up to {end}");
    Ok(())
}
