//! Program 17 of the API page: finish again, or keep what is left.

use oss_append::{Bucket, Checkpoint, Error};
use std::{io::Write, thread, time::Duration};

fn finish(mut log: oss_append::Appender) -> Result<Checkpoint, Error> {
    loop {
        log = match log.finish() {
            Ok(at) => return Ok(at),
            Err(e) if e.error().is_transient() => {
                thread::sleep(Duration::from_secs(60));
                e.into_appender()
            }
            Err(e) => {
                let why = e.error().clone();
                let (at, rest) = e.into_appender().into_parts();
                eprintln!("confirmed {at}, {} bytes kept for later", rest.len());
                return Err(why);
            }
        }
    }
}
pub(crate) fn main() -> std::io::Result<()> {
    let mut log = Bucket::from_env()?.appender("k").open()?;
    writeln!(log, "x")?;
    println!("{}", finish(log)?);
    Ok(())
}
