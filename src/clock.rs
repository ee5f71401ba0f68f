//! What time it is, here and at the service. The only file that reads a clock.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "this is the room that owns the clocks")]

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::{Instant, SystemTime},
};

/// The service's clock, as far as we know: it refuses requests whose time is a quarter of an hour from its own, and
/// tells it while refusing. Until then it is taken to be ours.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Seconds by which the service is ahead.
    offset: AtomicI64,
}

impl Clock {
    /// Seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        at_service(local(), self.offset.load(Relaxed))
    }

    /// Seconds by which the service is ahead.
    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Relaxed)
    }

    /// Takes the time of a refusal: the `ServerTime` of its body, else its `Date` header. False if neither is a time.
    pub(crate) fn learn(&self, server_time: Option<&str>, date: Option<&str>) -> bool {
        let time = server_time.and_then(parse_server_time).or_else(|| date.and_then(parse_date));
        if let Some(time) = time {
            self.offset.store(time.cast_signed().saturating_sub(local()), Relaxed);
        }
        time.is_some()
    }

    /// Lets time pass: tests do not wait for it.
    #[cfg(all(test, feature = "credentials"))]
    pub(crate) fn advance(&self, seconds: i64) {
        self.offset.fetch_add(seconds, Relaxed);
    }
}

/// For measuring how long something takes.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// `YYYYMMDDTHHMMSSZ`, as Signature V4 has it. What comes after the year 9999 is its last second.
pub(crate) fn timestamp(unix: u64) -> String {
    let [year, month, day, hour, minute, second] = civil(unix);
    format!("{:08}T{:06}Z", (year * 100 + month) * 100 + day, (hour * 100 + minute) * 100 + second)
}

/// `Mon, 01 Dec 2025 12:00:00 GMT`, as Signature V1 has it. What comes after the year 9999 is its last second.
#[cfg(feature = "sign-v1")]
pub(crate) fn http_date(unix: u64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(unix.min(LAST)))
}

/// `YYYY-MM-DDTHH:MM:SSZ`, as other services have it.
#[cfg(feature = "credentials")]
pub(crate) fn iso_8601(unix: u64) -> String {
    let [year, month, day, hour, minute, second] = civil(unix);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Seconds since 1970 of a time that somebody else names.
#[cfg(feature = "credentials")]
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// `2025-04-10T10:00:57Z`, with or without a fraction, or with an offset as `+08:00` instead of the Z (RFC 3339).
#[cfg(feature = "credentials")]
pub(crate) fn parse_rfc_3339(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.ends_with('Z') {
        return parse_server_time(text);
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (ahead, offset) = (offset.starts_with('+'), offset.strip_prefix(['+', '-'])?);
    let (hours, minutes) = offset.split_once(':')?;
    let number = |text: &str, most: u64| match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u64>().ok().filter(|n| *n <= most),
        false => None,
    };
    let offset = number(hours, 23)? * 3600 + number(minutes, 59)? * 60;
    let local = parse_server_time(&format!("{local}Z"))?;
    if ahead { local.checked_sub(offset) } else { Some(local + offset) }
}

/// A board without a battery starts in 1970, a broken one before it: both are offsets like any other.
fn local() -> i64 {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_secs().cast_signed(),
        Err(before) => -before.duration().as_secs().cast_signed(),
    }
}

fn at_service(local: i64, offset: i64) -> u64 {
    local.saturating_add(offset).max(0).cast_unsigned()
}

/// `2025-04-10T10:00:57.000Z`; the fraction may be missing.
fn parse_server_time(text: &str) -> Option<u64> {
    let text = text.trim().strip_suffix('Z')?;
    let seconds = text.split_once('.').map_or(text, |(seconds, _)| seconds);
    let number = |from: usize, to: usize| seconds.get(from..to)?.parse().ok();
    let unix = days_to(number(0, 4)?, number(5, 7)?, number(8, 10)?)? * DAY
        + number(11, 13)? * 3600
        + number(14, 16)? * 60
        + number(17, 19)?;
    // Written back it must be the same, or it was no date of the calendar or had other signs between its numbers.
    let [year, month, day, hour, minute, second] = civil(unix);
    let back = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    (back == seconds).then_some(unix)
}

fn parse_date(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
}

const DAY: u64 = 24 * 60 * 60;
/// 9999-12-31T23:59:59Z
const LAST: u64 = 253_402_300_799;

// Years begin in March here, so that the day that comes and goes is the last: 400 of them always have 146,097 days, and
// five months from March or August on always 153.

/// Days from 0000-03-01 to 1970-01-01.
const BEFORE_1970: u64 = 719_468;

/// Year, month, day, hour, minute, second.
fn civil(unix: u64) -> [u64; 6] {
    let unix = unix.min(LAST);
    let days = unix / DAY + BEFORE_1970;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let january = u64::from(month >= 10);
    [
        era * 400 + year + january,
        month + 3 - 12 * january,
        day - (153 * month + 2) / 5 + 1,
        unix / 3600 % 24,
        unix / 60 % 60,
        unix % 60,
    ]
}

/// Days from 1970 to a date; `None` before it. A date that does not exist gives a day of another month.
fn days_to(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month < 3 { (year.checked_sub(1)?, month + 9) } else { (year, month - 3) };
    (365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day).checked_sub(BEFORE_1970 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `date -u -d @<seconds> +%Y%m%dT%H%M%SZ`
    const KNOWN: [(u64, &str); 14] = [
        (0, "19700101T000000Z"),
        (68_169_600, "19720229T000000Z"),
        (951_782_399, "20000228T235959Z"),
        (951_782_400, "20000229T000000Z"),
        (951_868_800, "20000301T000000Z"),
        (1_702_743_657, "20231216T162057Z"),
        (1_709_251_199, "20240229T235959Z"),
        (1_735_689_599, "20241231T235959Z"),
        (1_764_590_400, "20251201T120000Z"),
        (2_147_483_648, "20380119T031408Z"),
        (4_107_542_399, "21000228T235959Z"),
        (4_107_542_400, "21000301T000000Z"),
        (13_574_563_200, "24000229T000000Z"),
        (LAST, "99991231T235959Z"),
    ];

    #[test]
    fn timestamps_are_those_of_the_calendar() {
        for (unix, text) in KNOWN {
            assert_eq!(timestamp(unix), text);
        }
    }

    #[test]
    fn a_time_after_9999_is_its_last_second() {
        assert_eq!(timestamp(LAST + 1), "99991231T235959Z");
        assert_eq!(timestamp(u64::MAX), "99991231T235959Z");
    }

    #[test]
    fn every_day_until_9999_follows_the_one_before() {
        let [mut year, mut month, mut day] = [1970, 1, 1];
        for days in 0..=LAST / DAY {
            assert_eq!(civil(days * DAY), [year, month, day, 0, 0, 0]);
            assert_eq!(days_to(year, month, day), Some(days));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == length => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn the_server_time_of_a_refusal_is_read() {
        assert_eq!(parse_server_time("2025-04-10T10:00:57.000Z"), Some(1_744_279_257));
        assert_eq!(parse_server_time(" 2025-04-10T10:00:57Z\n"), Some(1_744_279_257));
        for (unix, compact) in KNOWN {
            let [date, time] = [&compact[..8], &compact[9..15]];
            let [y, m, d] = [&date[..4], &date[4..6], &date[6..]];
            let text = format!("{y}-{m}-{d}T{}:{}:{}.999Z", &time[..2], &time[2..4], &time[4..]);
            assert_eq!(parse_server_time(&text), Some(unix));
        }
    }

    #[test]
    #[cfg(feature = "credentials")]
    fn times_of_other_services_are_read_and_written() {
        assert_eq!(iso_8601(1_744_279_257), "2025-04-10T10:00:57Z");
        for text in [
            "2025-04-10T10:00:57Z",
            " 2025-04-10T10:00:57.123456789Z\n",
            "2025-04-10T18:00:57+08:00",
            "2025-04-10T18:00:57.5+08:00",
            "2025-04-10T04:30:57-05:30",
            "2025-04-10T10:00:57-00:00",
        ] {
            assert_eq!(parse_rfc_3339(text), Some(1_744_279_257), "{text}");
        }
        for text in [
            "",
            "+08:00",
            "1744279257",
            "2025-04-10T18:00:57",
            "2025-04-10T18:00:57 08:00",
            "2025-04-10T18:00:57+0800",
            "2025-04-10T18:00:57+24:00",
            "2025-04-10T18:00:57+08:60",
            "2025-04-10T18:00:57++8:00",
            "1970-01-01T00:00:00+00:01",
            "\u{fc}2025-04-10T18:00:57\u{fc}8:00",
        ] {
            assert_eq!(parse_rfc_3339(text), None, "{text}");
        }
        assert_eq!(seconds(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1999)), 1);
        assert_eq!(seconds(SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(9)), 0);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "now",
            "2025-04-10T10:00:57.000",
            "2025-04-10 10:00:57Z",
            "2025/04/10T10:00:57Z",
            "2025-02-29T10:00:57Z",
            "2025-13-01T10:00:57Z",
            "2025-00-01T10:00:57Z",
            "2025-04-00T10:00:57Z",
            "2025-04-10T24:00:00Z",
            "2025-04-10T10:60:57Z",
            "2025-04-10T10:00:60Z",
            "+025-04-10T10:00:57Z",
            "1969-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
            "99999-01-01T00:00:00Z",
            "2025-04-10T10:00:57+08:00Z",
            "２０２５-04-10T10:00:57Z",
            "Thu, 10 Apr 2025 10:00:57 GMT",
        ] {
            assert_eq!(parse_server_time(text), None, "{text:?}");
        }
        let clock = Clock::default();
        assert!(!clock.learn(None, None));
        assert!(!clock.learn(Some("rubbish"), Some("rubbish")));
        assert_eq!(clock.offset.load(Relaxed), 0);
    }

    #[test]
    fn a_learned_time_goes_on_from_there() {
        let clock = Clock::default();
        for (server_time, date) in [
            (Some("2025-04-10T10:00:57.000Z"), Some("Sat, 01 Jan 2000 00:00:00 GMT")),
            (Some("rubbish"), Some("Thu, 10 Apr 2025 10:00:57 GMT")),
            (None, Some("Thu, 10 Apr 2025 10:00:57 GMT")),
        ] {
            assert!(clock.learn(server_time, date));
            assert!((1_744_279_257..1_744_279_257 + 600).contains(&clock.now()));
        }
    }

    #[test]
    fn a_board_that_starts_in_1970_learns_the_time() {
        assert_eq!(at_service(12, 1_744_279_257 - 12), 1_744_279_257);
        assert_eq!(at_service(-12, 1_744_279_257 + 12), 1_744_279_257);
        assert_eq!(at_service(-12, 0), 0);
        assert_eq!(at_service(i64::MIN, i64::MIN), 0);
        assert_eq!(at_service(i64::MAX, i64::MAX), i64::MAX as u64);
    }
}
