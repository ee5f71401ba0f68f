//! Keys from another program (ossutil: credential-process; the Go SDK v2: process credentials).

use super::{
    Cached,
    document::{Document, Needs},
    provider,
};
use crate::{
    BoxError, Credentials, CredentialsProvider, Error, ErrorKind, clock,
    error::Result,
    retry::{Pauses, Policy},
};
use std::{
    fmt,
    io::{self, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// ossutil's (credential-process).
const TIMEOUT: Duration = Duration::from_secs(15);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
/// What more a process writes is no document.
const OUTPUT_LIMIT: u64 = 64 << 10;
/// Of what it says on stderr, this much goes into the error.
const SHOWN: usize = 1000;

/// The keys that a command prints: run by the shell (`sh -c`, on Windows `cmd.exe /C`), it writes one JSON object to
/// stdout.
///
/// `AccessKeyId` and `AccessKeySecret` must be in it, `SecurityToken` and `Expiration` may be; so may the names of Alibaba
/// Cloud's command line for the same: `access_key_id`, `access_key_secret`, `sts_token`, `expiration`. Without an
/// expiration the command is run again when the service refuses what it gave.
///
/// The command has nothing on stdin, and a time limit; one that does not end is killed, on Unix with what it started.
/// If it fails, what it wrote to stderr is in the error; what it wrote to stdout never is, nor is the command.
/// While it runs, two threads read what it writes.
///
/// ```
/// # #[cfg(unix)] {
/// use oss_append::{CredentialsProvider, credentials::Process};
///
/// let keys = Process::new(r#"echo '{"AccessKeyId": "id", "AccessKeySecret": "secret"}'"#);
/// assert_eq!(format!("{:?}", keys.credentials()?), r#"Credentials { id: "id", .. }"#);
/// # }
/// # Ok::<(), oss_append::BoxError>(())
/// ```
#[must_use = "does nothing until it provides"]
pub struct Process(Cached<Shell>);

provider!(Process);

struct Shell {
    command: String,
    timeout: Duration,
}

impl Process {
    /// The command, as the shell takes it. It is run when keys are needed.
    pub fn new(command: &str) -> Self {
        Self(Cached::new(Shell { command: command.to_owned(), timeout: TIMEOUT }))
    }

    /// How long the command may run: 15 seconds unless said, at most 10 minutes.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.0.provider.timeout = limit;
        self
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("timeout", &self.0.provider.timeout).finish_non_exhaustive()
    }
}

impl CredentialsProvider for Shell {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        if self.timeout.is_zero() || self.timeout > LONGEST_TIMEOUT {
            return Err(
                Error::invalid_input("a credentials process may run for more than nothing and at most 600 s").into()
            );
        }
        if self.command.trim().is_empty() {
            return Err(Error::invalid_input("the command of the credentials process is empty").into());
        }
        let output = self.run()?;
        if !output.status.success() {
            return Err(failed(format!("the credentials process failed ({})", output.status), &output.stderr).into());
        }
        if output.stdout.len() as u64 > OUTPUT_LIMIT {
            return Err(failed("the credentials process writes too much for one JSON document", &output.stderr).into());
        }
        let document = Document::parse(&output.stdout).and_then(|document| document.credentials(Needs::Keys));
        Ok(document.map_err(|error| error.at("what the credentials process writes"))?)
    }
}

struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Shell {
    fn run(&self) -> Result<Output> {
        let broken = |what: &'static str| move |error: io::Error| failed(what, &[]).with_source(error);
        let mut command = shell(&self.command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let end = clock::instant() + self.timeout;
        let mut child =
            command.spawn().map_err(broken("the shell for the credentials process could not be started"))?;
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let written = stdout.until(end);
        let said = written.as_ref().and_then(|_| stderr.until(end));
        let ended = if said.is_some() { wait(&mut child, end) } else { Ok(None) };
        match (written, said, ended) {
            (Some(stdout), Some(stderr), Ok(Some(status))) => Ok(Output { status, stdout, stderr }),
            (_, said, ended) => {
                kill(&mut child);
                let said = said.or_else(|| stderr.until(clock::instant() + LAST_WORDS)).unwrap_or_default();
                ended.map_err(broken("the credentials process could not be waited for"))?;
                let what = format!("the credentials process did not end within {:?}, and was ended", self.timeout);
                Err(failed(what, &said))
            }
        }
    }
}

/// For what a process that was killed has written before.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One stream's bytes, once it is closed or longer than is read.
struct Collected(mpsc::Receiver<Vec<u8>>);

impl Collected {
    fn until(&self, end: Instant) -> Option<Vec<u8>> {
        match self.0.recv_timeout(end.saturating_duration_since(clock::instant())) {
            Ok(bytes) => Some(bytes),
            Err(RecvTimeoutError::Disconnected) => Some(Vec::new()),
            Err(RecvTimeoutError::Timeout) => None,
        }
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> Collected {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // What was read before an error is as good as anything.
            let _ = stream.take(OUTPUT_LIMIT + 1).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes); // nobody may be waiting any more
    });
    Collected(receiver)
}

/// Its streams are closed, so it ends now, or not at all.
fn wait(child: &mut Child, end: Instant) -> io::Result<Option<ExitStatus>> {
    let policy = Policy { first: Duration::from_millis(1), longest: Duration::from_millis(50), ..Policy::default() };
    let mut pauses: Pauses = policy.pauses();
    loop {
        match child.try_wait()? {
            None if clock::instant() < end => pauses.wait(None, |_| {}),
            ended => return Ok(ended),
        }
    }
}

#[cfg(not(windows))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    // A group of its own, so that all of it can be ended.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd.exe");
    // As it was written: this shell has its own rules for quotes.
    std::os::windows::process::CommandExt::raw_arg(shell.arg("/C"), command);
    shell
}

fn kill(child: &mut Child) {
    // The shell can signal a group, which std cannot. Nobody has taken its number yet: its first process was not waited for.
    #[cfg(unix)]
    let _ = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -s KILL -- -{}", child.id()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let _ = child.kill();
    let _ = child.wait();
}

fn failed(what: impl Into<String>, stderr: &[u8]) -> Error {
    let words = String::from_utf8_lossy(stderr);
    let words: String = words.trim().replace(char::is_control, " ").chars().take(SHOWN).collect();
    let mut what = what.into();
    if !words.is_empty() {
        what.extend([": ", &words]);
    }
    Error::new(ErrorKind::Credentials, what)
}
