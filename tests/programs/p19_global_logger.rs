//! Program 19 of the API page: a global logger and its last lines.

use oss_append::{Appender, Bucket};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A global logger is never dropped: keep a second handle to confirm the tail.
#[derive(Clone)]
struct Shared(Arc<Mutex<Appender>>);
impl Shared {
    fn with<T>(&self, f: impl FnOnce(&mut Appender) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
impl Write for Shared {
    fn write(&mut self, b: &[u8]) -> io::Result<usize> {
        self.with(|a| a.write(b))
    }
    fn flush(&mut self) -> io::Result<()> {
        self.with(|a| a.flush())
    }
}
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bucket = Bucket::from_env()?;
    let sink = Shared(Arc::new(Mutex::new(
        bucket.appender("app.log").flush_threshold(64 << 10).max_age(Duration::from_secs(5)).open()?,
    )));
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .target(env_logger::Target::Pipe(Box::new(sink.clone())))
        .init();
    log::info!("hello");
    sink.with(Appender::flush_due)?; // from time to time
    println!("{}", sink.with(Appender::confirm)?); // at exit
    Ok(())
}
