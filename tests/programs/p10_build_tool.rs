//! Program 10 of the API page: a build tool with anyhow; kinds and outcome.

use anyhow::Context;
use oss_append::{AppendOptions, Bucket, Error, ErrorKind, Found, Outcome};
use std::{fs::File, io::Write};

fn publish(bucket: &Bucket) -> anyhow::Result<()> {
    let mut out = bucket
        .appender("build.log")
        .options(AppendOptions::new().content_type("text/plain"))
        .open()
        .context("open build.log")?;
    out.write_all(b"ok\n").context("write")?; // io::Error
    out.copy_from(File::open("build.log").context("read")?)?;
    out.finish().context("finish")?; // FinishError
    bucket.append_object("done", 0, "1").context("mark")?; // Error
    Ok(())
}
fn advice(e: &Error) -> &'static str {
    match (e.kind(), e.outcome()) {
        (_, Outcome::Unknown) => "ask before sending again",
        (ErrorKind::Conflict(Found::Sealed), _) => "take the next key",
        (ErrorKind::Conflict(_), _) => "somebody else writes here",
        (ErrorKind::Service, _) if e.code() == Some("NoSuchBucket") => "make the bucket",
        _ if e.is_transient() => "later",
        _ => "give up",
    }
}
pub(crate) fn main() {
    if let Err(e) = Bucket::from_env().map_err(anyhow::Error::from).and_then(|b| publish(&b)) {
        if let Some(ours) = Error::find(&*e) {
            eprintln!("{} ({:?})", advice(ours), ours.request_id());
        }
        eprintln!("{e:#}");
    }
}
