//! Program 16 of the API page: an offline test with a lost answer.

use oss_append::{
    Outcome, Position,
    testing::{FakeOss, Fault},
};
use std::{io::Write, process::Command};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let oss = FakeOss::start()?;
    let bucket = oss.bucket("bucket");
    oss.inject(Fault::LoseAnswer);
    let mut log = bucket.appender("log").open()?;
    log.write_all(b"once")?;
    assert_eq!(log.finish()?.position, 4);
    assert_eq!(oss.object("bucket", "log").as_deref(), Some(&b"once"[..]));

    oss.inject(Fault::LoseAnswer);
    let unverified = bucket.append_object("log", 4, "twice?").map_err(|e| e.outcome());
    assert_eq!(unverified, Err(Outcome::Unknown));
    let _: Position = 4.into();
    let _tool = Command::new("tool").envs(oss.env("bucket"));
    let one_try = oss.builder("bucket").attempts(1).build()?;
    one_try.append_object("x", 0, "x")?;
    Ok(())
}
