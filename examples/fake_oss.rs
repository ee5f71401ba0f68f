//! A fake OSS as a program, for trying out tools in any language. Runs until it is killed.
//!
//! `cargo run --example fake_oss -- --port 9000 --bucket logs`

use oss_append::testing::FakeOss;
use std::{env, error::Error, thread};

const HELP: &str = "\
Usage: fake_oss [--port N] [--bucket NAME]

  --port N       the port to listen on, on loopback; default: any that is free
  --bucket NAME  a bucket to begin with; default: bucket

Prints what clients need, one name=value per line, and runs until killed.";

fn main() -> Result<(), Box<dyn Error>> {
    let (mut port, mut bucket) = (0, "bucket".to_owned());
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--port" => port = value()?.parse()?,
            "--bucket" => bucket = value()?,
            "--help" => {
                println!("{HELP}");
                return Ok(());
            }
            _ => return Err(format!("what is {arg}? Try --help").into()),
        }
    }
    let oss = FakeOss::start_on(port)?;
    for (name, value) in oss.env(&bucket) {
        println!("{name}={value}");
    }
    loop {
        thread::park();
    }
}
