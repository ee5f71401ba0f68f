//! One checkpoint has one text: what is read is what would be written, and nothing else is read.

use crate::{bytes::number, said};
use oss_append::{Checkpoint, ErrorKind};

/// "AppendObject", limits: 5 GiB.
const MOST: u64 = 5 << 30;

pub fn run(data: &[u8]) {
    any_text(&String::from_utf8_lossy(data));
    let mut data = data;
    let at = Checkpoint { position: number::<8>(&mut data), crc64: number::<8>(&mut data) };
    written(at);
    for position in [0, 1, at.position % (MOST + 2), MOST, MOST + 1] {
        written(Checkpoint { position, ..at });
    }
    damaged(Checkpoint { position: at.position % MOST + 1, ..at }, data);
}

fn any_text(text: &str) {
    match text.parse::<Checkpoint>() {
        Ok(at) => {
            assert_eq!(at.to_string(), text, "two texts of one checkpoint");
            assert!(is_possible(at), "{at}");
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            said::check(&error);
            // The beginning of what it is not, at most ten signs for each of its characters.
            assert!(error.to_string().len() < 60 * 10 + 200, "{error}");
        }
    }
}

fn is_possible(at: Checkpoint) -> bool {
    at.position <= MOST && (at.position > 0 || at.crc64 == 0)
}

fn written(at: Checkpoint) {
    let read = at.to_string().parse::<Checkpoint>();
    assert_eq!(read.ok(), Some(at).filter(|at| is_possible(*at)), "{at}");
}

/// Only digits have a text that is another checkpoint's. A cut end can be one, too: it has no sum of its own.
fn damaged(at: Checkpoint, mut data: &[u8]) {
    let good = at.to_string();
    let place = number::<1>(&mut data) as usize % (good.len() + 1);
    let (before, behind) = good.split_at(place);
    let strange = String::from_utf8_lossy(data);
    let Some(other) = strange.chars().next().filter(|c| !c.is_ascii_digit()) else { return };
    let inserted = format!("{before}{other}{behind}");
    assert!(inserted.parse::<Checkpoint>().is_err(), "{inserted:?}");
    if let Some(last) = behind.chars().next()
        && last != other
    {
        let replaced = format!("{before}{other}{}", &behind[last.len_utf8()..]);
        assert!(replaced.parse::<Checkpoint>().is_err(), "{replaced:?}");
    }
    for number in [0, 3 + good[3..].find(':').expect("a colon stands before the CRC")] {
        // A number may not begin with a 0 that is not its own.
        let at = if number == 0 { 3 } else { number + 1 };
        let longer = format!("{}0{}", &good[..at], &good[at..]);
        assert!(longer.parse::<Checkpoint>().is_err(), "{longer:?}");
    }
    for cut in ["", "v", "v1", "v1:"] {
        assert!(cut.parse::<Checkpoint>().is_err(), "{cut:?}");
    }
}
