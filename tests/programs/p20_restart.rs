//! Program 20 of the API page: restart after a kill between append and save.

use oss_append::{Bucket, Checkpoint};
use std::io::Write;

/// Killed after the append, before the token was saved: the object is longer than the token. Are those bytes ours?
fn restart(bucket: &Bucket, saved: Checkpoint, source: &[u8]) -> anyhow::Result<Checkpoint> {
    let there = bucket.head_object("log")?.checkpoint().unwrap_or_default();
    let ours = source.get(saved.position as usize..there.position as usize).map(|part| saved.advance(part));
    anyhow::ensure!(ours == Some(there), "the object holds other bytes");
    let mut log = bucket.appender("log").resume(there)?;
    log.write_all(&source[there.position as usize..])?;
    Ok(log.finish()?)
}
pub(crate) fn main() -> anyhow::Result<()> {
    let bucket = Bucket::from_env()?;
    let saved = bucket.append_object("log", 0, "one\n")?.checkpoint().unwrap_or_default();
    bucket.append_object("log", saved, "two\n")?; // and killed here
    let at = restart(&bucket, saved, b"one\ntwo\nthree\n")?;
    assert_eq!(at, Checkpoint::default().advance("one\ntwo\nthree\n"));
    Ok(())
}
