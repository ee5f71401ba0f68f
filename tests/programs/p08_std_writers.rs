//! Program 8 of the API page: BufWriter and its into_inner error; LineWriter; boxed and generic writers.

use oss_append::{Bucket, Error};
use std::io::{self, BufWriter, LineWriter, Write};

fn into_inner(bucket: &Bucket) -> Result<(), Box<dyn std::error::Error>> {
    let mut w = BufWriter::new(bucket.appender("k").open()?);
    writeln!(w, "x")?;
    match w.into_inner() {
        Ok(appender) => drop(appender.finish()?),
        Err(e) => {
            eprintln!("{:?}", Error::find(e.error()).map(Error::outcome));
            let (appender, unsent) = e.into_inner().into_parts(); // std's into_parts, then ours
            let (at, pending) = appender.into_parts();
            eprintln!("confirmed {at}; {} + {} bytes kept", pending.len(), unsent.map_or(0, |b| b.len()));
        }
    }
    let mut lines = LineWriter::new(bucket.appender("k").open()?);
    writeln!(lines, "x {}", 1)?;
    lines.into_inner()?.finish()?; // needs Appender: Debug + Send
    Ok(())
}
fn generic(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"x")
}
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bucket = Bucket::from_env()?;
    generic(&mut bucket.appender("k").open()?)?;
    let mut outs: Vec<Box<dyn Write + Send>> = vec![Box::new(io::stdout()), Box::new(bucket.appender("k").open()?)];
    for out in &mut outs {
        generic(out)?;
    }
    into_inner(&bucket)
}
