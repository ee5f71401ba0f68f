//! How to test one's own program against lost answers, without an account: `report` is the program, `main` the test.
//!
//! ```console
//! $ cargo run --example offline_test
//! undisturbed            Ok(26)    in the object: 26 bytes    appends: 1, questions: 1
//! answer lost            Ok(26)    in the object: 26 bytes    appends: 1, questions: 2
//! request lost           Ok(26)    in the object: 26 bytes    appends: 2, questions: 2
//! refused                Err       in the object: 0 bytes     appends: 1, questions: 1
//! gone away              Err       in the object: 26 bytes    appends: 1, questions: 1
//! In your own code: #[test] functions, and `oss-append` with the feature "testing" under [dev-dependencies].
//! ```

use oss_append::testing::{FakeOss, Fault};
use oss_append::{Bucket, Error, Outcome};
use std::io::{self, Write};

/// The function under test: a line per measurement, all of them in the object, each once, or an error.
fn report(bucket: &Bucket, measurements: &[u32]) -> io::Result<u64> {
    let mut log = bucket.appender("measurements.csv").open()?;
    for (n, measurement) in measurements.iter().enumerate() {
        writeln!(log, "{n},{measurement}")?;
    }
    Ok(log.finish()?.position)
}

fn main() -> io::Result<()> {
    let text = "0,10\n1,200\n2,3000\n3,40000\n";
    let refused = Fault::Refuse(403, "AccessDenied");
    // What happens to the first append, what the program has to say about it, and what has to be in the object then.
    let cases = [
        ("undisturbed", Fault::Pass, None, text),
        ("answer lost", Fault::LoseAnswer, None, text),
        ("request lost", Fault::LoseRequest, None, text),
        ("refused", refused, Some(Outcome::NotApplied), ""),
        ("gone away", Fault::CutAnswer(0).and(Fault::GoAway), Some(Outcome::Unknown), text),
    ];
    for (name, fault, outcome, expected) in cases {
        let oss = FakeOss::start()?; // on a port of its own, so tests may run side by side
        let bucket = oss.bucket("lab");
        oss.inject(fault);
        let result = report(&bucket, &[10, 200, 3000, 40000]);
        let said = result.as_ref().err().map(|error| Error::find(error).map(Error::outcome));
        assert_eq!(said, outcome.map(Some), "{name}: {result:?}");
        let object = oss.object("lab", "measurements.csv").unwrap_or_default();
        assert_eq!(object, expected.as_bytes(), "{name}");

        let asked = |method: &str| oss.requests().iter().filter(|request| request.method == method).count();
        let result = result.map_or_else(|_| "Err".to_owned(), |position| format!("Ok({position})"));
        let size = format!("{} bytes", object.len());
        let (appends, questions) = (asked("POST"), asked("HEAD"));
        println!("{name:<22} {result:<9} in the object: {size:<11} appends: {appends}, questions: {questions}");
    }
    println!(
        "In your own code: #[test] functions, and `oss-append` with the feature \"testing\" under [dev-dependencies]."
    );
    Ok(())
}
