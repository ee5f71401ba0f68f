//! Program 9 of the API page: one struct, a thread, scoped threads, catch_unwind.

use oss_append::{Appender, Bucket, Position, Result};
use std::{io::Write, panic, thread};

#[derive(Debug)]
struct Shipper {
    bucket: Bucket,
    log: Appender,
} // no lifetime
impl Shipper {
    fn new(bucket: Bucket) -> Result<Self> {
        let log = bucket.appender("log").open()?;
        Ok(Self { bucket, log })
    }
}
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Shipper { bucket, mut log } = Shipper::new(Bucket::from_env()?)?;
    thread::spawn(move || -> std::io::Result<_> {
        log.write_all(b"x")?;
        Ok(log.finish()?)
    })
    .join()
    .unwrap()?;
    thread::scope(|s| {
        for key in ["a", "b"] {
            let bucket = &bucket;
            s.spawn(move || bucket.append_object(key, 0, key));
        }
    });
    let mut at = Position::from(0);
    for word in ["a", "b"].iter() {
        at = bucket.append_object("words", at, word)?.into();
    } // &&str
    panic::catch_unwind(|| bucket.append_object("k", 0, "x").is_ok()).unwrap();
    Ok(())
}
