//! Program 6 of the API page: flate2, finishing both.

use flate2::{Compression, write::GzEncoder};
use oss_append::{Bucket, Checkpoint};
use std::io::{self, Write};

fn gz(bucket: &Bucket, text: &str) -> io::Result<Checkpoint> {
    let mut gz = GzEncoder::new(bucket.appender("log.gz").open()?, Compression::default());
    gz.write_all(text.as_bytes())?;
    let appender = gz.finish()?;
    Ok(appender.finish()?)
}
pub(crate) fn main() -> io::Result<()> {
    println!("{}", gz(&Bucket::from_env()?, "hello")?);
    Ok(())
}
