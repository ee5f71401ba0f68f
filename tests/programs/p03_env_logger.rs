//! Program 3 of the API page: env_logger, Target::Pipe.

use std::time::Duration;

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bucket = oss_append::Bucket::from_env()?;
    let sink = bucket.appender("app.log").flush_threshold(64 << 10).max_age(Duration::from_secs(5)).open()?;
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .filter_module("ureq", log::LevelFilter::Off) // the sink must not log into itself
        .target(env_logger::Target::Pipe(Box::new(sink)))
        .init();
    log::info!("hello");
    Ok(())
}
