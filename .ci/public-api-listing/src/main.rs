//! Prints the public API that rustdoc's JSON describes, an item a line.

use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    let json = env::args_os().nth(1).ok_or("which file?")?;
    // What every type has (`impl<T> Any for ...`) says nothing about ours.
    print!("{}", public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).build()?);
    Ok(())
}
