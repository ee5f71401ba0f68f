//! Program 12 of the API page: resume token in a file.

use oss_append::{Bucket, Checkpoint};
use std::{
    fs,
    io::{self, Write},
};

pub(crate) fn main() -> anyhow::Result<()> {
    let bucket = Bucket::from_env()?;
    let at: Checkpoint = match fs::read_to_string("log.at") {
        Ok(text) => text.trim().parse()?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Checkpoint::default(),
        Err(e) => return Err(e.into()),
    };
    let mut log = bucket.appender("log").resume(at)?;
    log.write_all(b"more\n")?;
    log.flush()?;
    assert_eq!(log.checkpoint(), at.advance("more\n"));
    fs::write("log.at", log.checkpoint().to_string())?;
    Ok(())
}
