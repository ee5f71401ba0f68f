//! Keys from ossutil's configuration file, of version 1 or 2.
//!
//! What the file is like is said by ossutil's configuration page and by the source of version 1. Only the section that
//! is asked for is judged; a file may hold a lot that is not ours.

use super::{
    Credentials,
    environment::{Lookup, said},
};
use crate::error::{Error, Result};
use std::{
    fmt::Display,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// A file of settings is a few lines; this is another file.
const FILE_LIMIT: u64 = 1 << 20;

/// `OSSUTIL_CONFIG_FILE`, else `.ossutilconfig` in the home directory; `None` where there is no home either.
pub(crate) fn default_path(lookup: Lookup<'_>) -> Option<PathBuf> {
    let home = || said(lookup, if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from);
    match said(lookup, CONFIG_FILE) {
        // ossutil reads `~` itself: where variables are set without a shell, nobody else does.
        Some(path) => Some(match path.strip_prefix("~/") {
            Some(rest) => home()?.join(rest),
            None => path.into(),
        }),
        None => Some(home()?.join(".ossutilconfig")),
    }
}

/// `OSSUTIL_PROFILE`.
pub(crate) fn default_profile(lookup: Lookup<'_>) -> Option<String> {
    said(lookup, PROFILE)
}

/// The keys of one profile; `None` is anonymous access.
pub(crate) fn read(path: &Path, profile: Option<&str>) -> Result<Option<Credentials>> {
    let text = read_text(path).map_err(|error| {
        Error::invalid_input(format!("ossutil's file {} cannot be read", path.display())).with_source(error)
    })?;
    keys(&text, profile).map_err(|error| error.at(format!("ossutil's file {}", path.display())))
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB: not a file of settings"));
    }
    // Comments may be in any encoding; keys with replacement characters are refused.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same of a file's text.
pub(crate) fn keys(text: &str, profile: Option<&str>) -> Result<Option<Credentials>> {
    let sections = sections(text)?;
    let section = choose(&sections, profile)?;
    let place = || format!("[{}] (line {})", section.name, section.line);
    if let Some(line) = section.bad {
        return Err(at_line(line, "it is neither `name = value` nor a section nor a comment that starts with #"));
    }
    if let Some(entry) = section.one(&["sourceprofile"])? {
        return Err(at_line(entry.line, "source-profile is not followed here: ask for that profile itself"));
    }
    let mode = match section.one(&["mode"])? {
        Some(entry) => match &*simple(entry.value) {
            "ak" => Mode::Ak,
            "ststoken" => Mode::StsToken,
            "anonymous" => return Ok(None),
            other => return Err(at_line(entry.line, other_mode(other, entry.value))),
        },
        None => Mode::Unsaid,
    };
    let missing = |what: &str| Error::invalid_input(format!("{} has no {what}", place()));
    let id = section.one(ID)?.ok_or_else(|| missing("access-key-id"))?;
    let secret = section.one(SECRET)?.ok_or_else(|| missing("access-key-secret"))?;
    let token = match (mode, section.one(TOKEN)?) {
        (Mode::StsToken, None) => return Err(missing("sts-token, which its mode StsToken needs")),
        // Whatever was left in the file.
        (Mode::Ak, _) => "",
        (_, token) => token.map_or("", |entry| entry.value),
    };
    let credentials = Credentials::new(id.value, secret.value).with_token(token);
    credentials.check().map_err(|e| e.at(place()))?;
    Ok(Some(credentials))
}

enum Mode {
    Unsaid,
    Ak,
    StsToken,
}

fn other_mode(mode: &str, written: &str) -> String {
    let advice = match mode {
        "ecsramrole" => "use the provider credentials::EcsRamRole (feature `credentials`)",
        "oidcrolearn" => "use the provider credentials::OidcRole (feature `credentials`)",
        "process" => "use the provider credentials::Process (feature `credentials`)",
        "ramrolearn" => "take that role's keys from a provider of your own: Auth::provider",
        _ => "AK, StsToken and Anonymous are; other keys come from Auth::provider",
    };
    // A value in the wrong place might be a secret.
    let shown = if written.len() <= 20 && written.bytes().all(|b| b.is_ascii_alphabetic()) { written } else { "this" };
    format!("the mode {shown} is not read from here: {advice}")
}

/// `[default]` or `[profile <name>]` of version 2, `[Credentials]` of version 1.
fn choose<'s, 't>(sections: &'s [Section<'t>], profile: Option<&str>) -> Result<&'s Section<'t>> {
    let called = |name: &str| sections.iter().find(|section| section.profile().as_deref() == Some(name));
    if let Some(profile) = profile {
        return called(&profile.trim().to_lowercase()).ok_or_else(|| {
            let others: Vec<_> = sections.iter().filter_map(Section::profile).collect();
            let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
            Error::invalid_input(format!("it has no profile {:?}; its profiles: {others}", profile.trim()))
        });
    }
    let first = sections.iter().find(|section| section.name.eq_ignore_ascii_case("credentials"));
    match (first, called("default")) {
        (Some(one), Some(two)) if one.has_keys() && two.has_keys() => Err(Error::invalid_input(format!(
            "both [{}] (line {}) and [{}] (line {}) have keys: remove one, or ask for the profile `default`",
            one.name, one.line, two.name, two.line
        ))),
        (Some(_), Some(two)) if two.has_keys() => Ok(two),
        (Some(one), _) => Ok(one),
        (None, Some(two)) => Ok(two),
        (None, None) => Err(Error::invalid_input("it has neither a section [default] nor [Credentials]")),
    }
}

struct Section<'t> {
    name: &'t str,
    line: usize,
    entries: Vec<Entry<'t>>,
    /// The first line that is nothing.
    bad: Option<usize>,
}

struct Entry<'t> {
    line: usize,
    /// As [`simple`] has it.
    name: String,
    value: &'t str,
}

impl<'t> Section<'t> {
    /// The profile it is, in lower case.
    fn profile(&self) -> Option<String> {
        let name = self.name.to_lowercase();
        match name.split_once(char::is_whitespace) {
            Some(("profile", rest)) => Some(rest.trim().to_owned()),
            None if name == "default" => Some(name),
            _ => None,
        }
    }

    /// Does it say who is asking?
    fn has_keys(&self) -> bool {
        let names = [ID, SECRET, TOKEN, &["mode"]].concat();
        self.entries.iter().any(|entry| names.contains(&&*entry.name) && !entry.value.is_empty())
    }

    /// What one of these names is set to, once; blanks say nothing.
    fn one(&self, names: &[&str]) -> Result<Option<&Entry<'t>>> {
        let mut said = self.entries.iter().filter(|entry| names.contains(&&*entry.name) && !entry.value.is_empty());
        match (said.next(), said.next()) {
            (Some(first), Some(second)) => {
                Err(at_line(second.line, format!("it says what line {} says, too: which is right?", first.line)))
            }
            (first, _) => Ok(first),
        }
    }
}

fn sections(text: &str) -> Result<Vec<Section<'_>>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, content) in text.lines().enumerate().map(|(n, content)| (n + 1, content.trim())) {
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = content.strip_prefix('[') {
            let Some(name) = rest.strip_suffix(']').map(str::trim) else {
                return Err(at_line(line, "a section's name ends with ]"));
            };
            if let Some(known) = sections.iter().find(|known| known.name.eq_ignore_ascii_case(name)) {
                let known = known.line;
                return Err(at_line(line, format!("the same section is already in line {known}")));
            }
            sections.push(Section { name, line, entries: Vec::new(), bad: None });
            continue;
        }
        let Some(section) = sections.last_mut() else {
            return Err(at_line(line, "it stands before the first section, as [default] or [Credentials]"));
        };
        match entry(content) {
            Some((name, value)) => section.entries.push(Entry { line, name, value }),
            None => section.bad = section.bad.or(Some(line)),
        }
    }
    Ok(sections)
}

/// `name = value` or `name = "value"`.
fn entry(content: &str) -> Option<(String, &str)> {
    let (name, value) = content.split_once('=')?;
    let (name, value) = (simple(name), value.trim());
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => value,
    };
    (!name.is_empty()).then_some((name, value))
}

/// Camel, kebab and snake case are one. Other signs are none of them: such a word is another, or spoiled.
fn simple(name: &str) -> String {
    name.to_lowercase().replace(['-', '_'], "").trim().to_owned()
}

/// Lines are named, never shown: any of them may hold a secret.
fn at_line(line: usize, what: impl Display) -> Error {
    Error::invalid_input(format!("line {line}: {what}"))
}

pub(crate) const CONFIG_FILE: &str = "OSSUTIL_CONFIG_FILE";
const PROFILE: &str = "OSSUTIL_PROFILE";

// With the aliases that version 1 takes (ossutil 1.x: config helper).
const ID: &[&str] = &["accesskeyid", "accessid"];
const SECRET: &[&str] = &["accesskeysecret", "accesskey"];
const TOKEN: &[&str] = &["ststoken"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[track_caller]
    fn gives(text: &str, profile: Option<&str>, expected: (&str, &str, Option<&str>)) {
        let keys = keys(text, profile).unwrap_or_else(|error| panic!("{error} in {text}")).expect("not anonymous");
        assert_eq!((keys.id(), keys.secret(), keys.token()), expected, "{text}");
    }

    #[track_caller]
    fn refused(text: &str, profile: Option<&str>, says: &str) {
        let error = keys(text, profile).expect_err(says);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let said = format!("{error} {error:?}");
        assert!(said.contains(says), "{said}");
        assert!(!said.contains("hidden"), "{said}");
    }

    #[test]
    fn version_1_is_read_with_all_its_names() {
        let file = "[Credentials]\nlanguage=EN\nendpoint=oss-cn-hangzhou.aliyuncs.com\naccessKeyID=id\n\
                    accessKeySecret=secret\n[Default]\nloglevel=info\n[Bucket-Endpoint]\na=b\n[AkService]\necsAk=http://x\n";
        gives(file, None, ("id", "secret", None));
        for id in ["accessKeyID", "accessKeyId", "AccessKeyID", "access_key_id", "access_id", "accessid", "access-id"] {
            for secret in ["accessKeySecret", "AccessKeySecret", "access_key_secret", "access_key", "accesskey"] {
                for token in ["stsToken", "ststoken", "sts_token"] {
                    let file = format!("[credentials]\r\n {id} = id\r\n{secret} =secret \r\n{token}= token\r\n");
                    gives(&file, None, ("id", "secret", Some("token")));
                }
            }
        }
    }

    #[test]
    fn version_2_is_read_by_profile() {
        let file = "\u{feff}# comment\n; another\n[default]\naccess-key-id = \"id\"\naccessKeySecret=sec=ret#1\nregion=x\n\
                    [Profile Dev]\nMODE = ststoken\nACCESS_KEY_ID=dev\naccesskeysecret = \"dev secret\"\nsts-token = t\n\
                    [profile open]\nmode=Anonymous\n[buckets a]\n{ what = \n";
        gives(file, None, ("id", "sec=ret#1", None));
        gives(file, Some("default"), ("id", "sec=ret#1", None));
        gives(file, Some(" DEV "), ("dev", "dev secret", Some("t")));
        assert_eq!(keys(file, Some("open")).expect("a mode like others"), None);
        refused(file, Some("prod"), "it has no profile \"prod\"; its profiles: default, dev, open");
        gives("[profile default]\naccesskeyid=a\naccesskeysecret=b", Some("default"), ("a", "b", None));
        gives("[profile default]\naccesskeyid=a\naccesskeysecret=b", None, ("a", "b", None));
    }

    #[test]
    fn a_mode_means_what_it_says() {
        let keys = "access-key-id=id\naccess-key-secret=hidden\n";
        gives(&format!("[default]\nmode=AK\n{keys}sts-token=old\n"), None, ("id", "hidden", None));
        gives(&format!("[default]\nmode=\n{keys}sts-token=t\n"), None, ("id", "hidden", Some("t")));
        refused(&format!("[default]\nmode=StsToken\n{keys}"), None, "[default] (line 1) has no sts-token");
        for (mode, says) in [
            (
                "EcsRamRole",
                "line 4: the mode EcsRamRole is not read from here: use the provider credentials::EcsRamRole",
            ),
            ("oidcRoleArn", "the mode oidcRoleArn is not read from here: use the provider credentials::OidcRole"),
            ("Process", "use the provider credentials::Process"),
            (
                "RamRoleArn",
                "the mode RamRoleArn is not read from here: take that role's keys from a provider of your own",
            ),
            ("Psychic", "the mode Psychic is not read from here: AK, StsToken and Anonymous are"),
            ("hidden-in-the-wrong-place", "the mode this is not read from here"),
            ("Anony\0mous", "the mode this is not read from here"),
            ("Anony.mous", "the mode this is not read from here"),
        ] {
            refused(&format!("[default]\n{keys}mode = {mode}\n"), None, says);
            refused(&format!("[Credentials]\n{keys}mode = {mode}\n"), None, says);
        }
        refused(&format!("[profile a]\n{keys}source_profile=b\n"), Some("a"), "line 4: source-profile is not followed");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_never_shown() {
        let keys = "access-key-id=id\naccess-key-secret=hidden\n";
        for (file, says) in [
            ("", "it has neither a section [default] nor [Credentials]"),
            ("[profile a]\nx=y\n", "it has neither a section"),
            ("hidden\n[default]\n", "line 1: it stands before the first section"),
            ("[default]\n\nhidden\n", "line 3: it is neither `name = value`"),
            ("[default]\naccess-key-secret=\"hidden\n", "line 2: it is neither `name = value`"),
            ("[default]\n= hidden\n", "line 2: it is neither"),
            ("[default]\n - _ = hidden\n", "line 2: it is neither"),
            ("[default]\naccess.key.id=hidden\n", "[default] (line 1) has no access-key-id"),
            ("[default\naccess-key-secret=hidden", "line 1: a section's name ends with ]"),
            ("[default]\naccess-key-secret=hidden\n", "[default] (line 1) has no access-key-id"),
            ("#\n[Credentials]\naccessid=hidden\naccess_key=\n", "[Credentials] (line 2) has no access-key-secret"),
            ("[default]\naccess-key-id=hidden\naccessKeyId=hidden2\n", "line 3: it says what line 2 says, too"),
            ("[default]\naccess-key-id=hidden\naccess-id=hidden2\n", "line 3: it says what line 2 says, too"),
            ("[default]\n[x]\n[Default]\n", "line 3: the same section is already in line 1"),
            (&format!("[Credentials]\n{keys}[default]\n{keys}"), "both [Credentials] (line 1) and [default] (line 4)"),
            (
                "[default]\naccesskeyid=hidden\u{fffd}\naccesskeysecret=hidden\n",
                "[default] (line 1): the access key id has",
            ),
        ] {
            refused(file, None, says);
        }
        // What is not asked for is not judged.
        gives(&format!("[default]\n{keys}[profile b]\nhidden\n"), None, ("id", "hidden", None));
        gives(&format!("[Credentials]\n{keys}[default]\nregion=x\n"), None, ("id", "hidden", None));
        gives(&format!("[Credentials]\nlanguage=EN\n[default]\n{keys}"), None, ("id", "hidden", None));
    }

    #[test]
    fn the_place_is_that_of_ossutil() {
        let env = |name: &str| (name == "HOME" || name == "USERPROFILE").then(|| "/home/me".to_owned());
        assert_eq!(default_path(&env), Some("/home/me/.ossutilconfig".into()));
        let named =
            |path: &'static str| move |name: &str| if name == CONFIG_FILE { Some(path.to_owned()) } else { env(name) };
        assert_eq!(default_path(&named("/etc/oss")), Some("/etc/oss".into()));
        assert_eq!(default_path(&named("~/oss")), Some("/home/me/oss".into()));
        assert_eq!(default_path(&|_| None), None);
        assert_eq!(default_profile(&|name| (name == PROFILE).then(|| " dev ".to_owned())).as_deref(), Some("dev"));
        assert_eq!(default_profile(&|_| None), None);
    }
}
