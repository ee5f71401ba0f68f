//! Program 5 of the API page: simplelog, fern.

use std::io::Write;

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bucket = oss_append::Bucket::from_env()?;
    let sink = bucket.appender("simple.log").open()?;
    simplelog::WriteLogger::init(log::LevelFilter::Info, simplelog::Config::default(), sink)?;
    let sink: Box<dyn Write + Send> = Box::new(bucket.appender("fern.log").open()?);
    fern::Dispatch::new().chain(sink).apply()?;
    Ok(())
}
