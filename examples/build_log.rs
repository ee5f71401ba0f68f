//! Runs a command and keeps what it prints in an object, with how it ended: the log of a build, or of a cron job.
//!
//! ```console
//! $ cargo run --example build_log                       # `rustc -vV`, and a fake OSS
//! $ cargo run --example build_log -- cargo build        # with OSS_BUCKET and the other variables set: your bucket
//! A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)
//! rustc 1.95.0
//! ...
//! build-log/<number>.log ends at v1:<length>:<CRC-64>: exit status: 0
//! ```

use oss_append::{AppendOptions, Bucket, testing::FakeOss};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::{env, error::Error};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "whether to leave this machine is for the caller to say")]
    let real = env::var_os("OSS_BUCKET").is_some();
    let fake = FakeOss::start()?;
    let bucket = if real { Bucket::from_env()? } else { fake.bucket("builds") };
    if !real {
        println!("A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)");
    }
    let mut command: Vec<String> = env::args().skip(1).collect();
    if command.is_empty() {
        command = ["rustc", "-vV"].map(String::from).into();
    }

    // An object for each build. Nobody is asked whether there is one: a key that may only write is enough.
    let key = format!("build-log/{:016x}.log", RandomState::new().hash_one(&command));
    let options = AppendOptions::new().content_type("text/plain; charset=utf-8").meta("program", &command[0]);
    let mut log = bucket.appender(&key).options(options).whole_lines(true).create_new()?;

    // One pipe for both, so that lines stay in order. The command's ends are closed when it and its builder are gone.
    let (output, input) = io::pipe()?;
    let both = input.try_clone()?;
    let mut child =
        Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()).stdout(input).stderr(both).spawn()?;
    let (mut output, mut line) = (BufReader::new(output), Vec::new());
    while output.read_until(b'\n', &mut line)? > 0 {
        io::stdout().write_all(&line)?;
        log.write_all(&line)?;
        line.clear();
    }
    let status = child.wait()?;
    writeln!(log, "{status}")?;
    println!("{key} ends at {}: {status}", log.finish()?); // `finish` sends the rest: until then it is in memory
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
