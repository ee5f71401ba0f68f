//! Program 10b of the API page: thiserror, eyre, boxes; our error found in each.

use oss_append::{Bucket, Error, FinishError};
use std::io::{self, Write};

#[derive(Debug, thiserror::Error)]
enum Mine {
    #[error("oss")]
    Oss(#[from] Error),
    #[error("finish")]
    Finish(#[from] FinishError),
    #[error("io")]
    Io(#[from] io::Error),
}
fn typed(b: &Bucket) -> Result<(), Mine> {
    let mut a = b.appender("k").open()?;
    a.write_all(b"x")?;
    a.finish()?;
    Ok(())
}
fn report(b: &Bucket) -> eyre::Result<()> {
    let mut a = b.appender("k").open()?;
    a.write_all(b"x")?;
    a.finish()?;
    Ok(())
}
pub(crate) fn main() -> io::Result<()> {
    let b = Bucket::from_env()?;
    if let Err(e) = typed(&b) {
        println!("{:?}", Error::find(&e).map(|e| e.kind()));
    }
    if let Err(e) = report(&b) {
        println!("{:?}", Error::find(&*e).map(|e| e.kind()));
    }
    let boxed: Result<(), Box<dyn std::error::Error + Send + Sync>> = typed(&b).map_err(Into::into);
    if let Err(e) = boxed {
        println!("{:?}", Error::find(&*e).map(|e| e.kind()));
    }
    let std_way: io::Error = b.append_object("k", 9, "x").unwrap_err().into();
    match std_way.downcast::<Error>() {
        // std since 1.79: no from_io needed
        Ok(ours) => println!("{:?}", ours.next_position()),
        Err(theirs) => return Err(theirs),
    }
    Ok(())
}
