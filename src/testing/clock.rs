//! The fake's clock and the three ways OSS spells a time.

#![expect(clippy::disallowed_types, reason = "the fake's one look at the time of day")]

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970, UTC.
pub(super) fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// `Sat, 16 Dec 2023 16:20:57 GMT`
pub(super) fn http_date(unix: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]; // 1970 began on a Thursday
    let (year, month, day) = civil(unix.div_euclid(DAY));
    let (hour, minute, second) = time_of_day(unix);
    let weekday = DAYS[unix.div_euclid(DAY).rem_euclid(7) as usize];
    let month = MONTHS[month as usize - 1];
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// `2023-12-16T16:20:57.000Z`
pub(super) fn iso_date(unix: i64) -> String {
    let (year, month, day) = civil(unix.div_euclid(DAY));
    let (hour, minute, second) = time_of_day(unix);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// `20231216T162057Z`, and nothing else.
pub(super) fn parse_stamp(stamp: &str) -> Option<i64> {
    let (date, time) = stamp.strip_suffix('Z')?.split_once('T')?;
    let digits = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(date, 8) || !digits(time, 6) {
        return None;
    }
    let number = |text: &str| text.parse::<i64>().ok();
    let (year, month, day) = (number(&date[..4])?, number(&date[4..6])?, number(&date[6..])?);
    let (hour, minute, second) = (number(&time[..2])?, number(&time[2..4])?, number(&time[4..])?);
    let real = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    real.then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// `Sat, 16 Dec 2023 16:20:57 GMT`, and nothing else: the day of the month has two digits.
#[cfg(feature = "sign-v1")]
pub(super) fn parse_http_date(text: &str) -> Option<i64> {
    let number = |range| text.get::<std::ops::Range<usize>>(range)?.parse::<i64>().ok();
    let month = MONTHS.iter().position(|month| text.get(8..11) == Some(month))? as i64 + 1;
    let unix = days(number(12..16)?, month, number(5..7)?) * DAY
        + number(17..19)? * 3600
        + number(20..22)? * 60
        + number(23..25)?;
    // Written back it must be the same.
    (http_date(unix) == text).then_some(unix)
}

fn time_of_day(unix: i64) -> (i64, i64, i64) {
    let seconds = unix.rem_euclid(DAY);
    (seconds / 3600, seconds / 60 % 60, seconds % 60)
}

// Both count in years that begin in March and eras of 400 years, so that the leap day comes last.

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + days.div_euclid(146_097) * 400 + i64::from(month < 3), month, day)
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month < 3);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_in_three_spellings() {
        assert_eq!(http_date(1_702_743_657), "Sat, 16 Dec 2023 16:20:57 GMT");
        assert_eq!(iso_date(1_702_743_657), "2023-12-16T16:20:57.000Z");
        assert_eq!(parse_stamp("20231216T162057Z"), Some(1_702_743_657));
    }

    #[cfg(feature = "sign-v1")]
    #[test]
    fn an_http_date_has_one_form() {
        for unix in [0, 951_782_399, 1_702_743_657, 4_107_542_400] {
            assert_eq!(parse_http_date(&http_date(unix)), Some(unix));
        }
        for bad in [
            "",
            "20231216T162057Z",
            "Sun, 16 Dec 2023 16:20:57 GMT",
            "Sat, 16 dec 2023 16:20:57 GMT",
            "Sat, 2 Dec 2023 16:20:57 GMT",
            "Sat, 16 Dec 2023 16:20:57",
            "Sat, 16 Dec 2023 24:20:57 GMT",
            "Sat, 16 Dec 2023 16:20:57 GMT ",
            "Sät, 16 Dec 2023 16:20:57 GMT",
        ] {
            assert_eq!(parse_http_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_day_comes_back() {
        for day in -200_000..200_000 {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), day);
        }
    }

    #[test]
    fn a_stamp_has_one_form() {
        for bad in [
            "",
            "Z",
            "20231216T162057",
            "2023-12-16T16:20:57Z",
            "20231316T162057Z",
            "20231216T242057Z",
            "+0231216T162057Z",
        ] {
            assert_eq!(parse_stamp(bad), None, "{bad}");
        }
    }
}
