//! Keys and places from the environment. The only file that reads it.

use super::{Credentials, trimmed};
use crate::error::{Error, Result};

/// What a variable is set to: in the environment, or in a test's idea of one.
pub(crate) type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// Variables that belong together: never one of these with one of those.
struct Family {
    id: &'static str,
    secret: &'static str,
    token: &'static str,
    /// How all of them are spoken of.
    name: &'static str,
}

/// Of the service's own SDKs and of ossutil (oss2, Go SDK v2: environment credentials).
const OSS: Family =
    Family { id: "OSS_ACCESS_KEY_ID", secret: "OSS_ACCESS_KEY_SECRET", token: "OSS_SESSION_TOKEN", name: "OSS_*" };
/// Of all of Alibaba Cloud's services (the credentials tool: environment).
const ALIBABA_CLOUD: Family = Family {
    id: "ALIBABA_CLOUD_ACCESS_KEY_ID",
    secret: "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    token: "ALIBABA_CLOUD_SECURITY_TOKEN",
    name: "ALIBABA_CLOUD_*",
};

/// Of the first family of which anything is set, the keys; `None` where nothing is.
pub(crate) fn keys(lookup: Lookup<'_>) -> Result<Option<Credentials>> {
    for family in [OSS, ALIBABA_CLOUD] {
        if let Some(credentials) = family.keys(lookup)? {
            return Ok(Some(credentials));
        }
    }
    Ok(None)
}

/// Why there are none.
pub(crate) fn no_keys() -> Error {
    Error::invalid_input(format!(
        "{} and {} are not set in the environment, nor are {} and {}: export {}=<id> {}=<secret>",
        OSS.id, OSS.secret, ALIBABA_CLOUD.id, ALIBABA_CLOUD.secret, OSS.id, OSS.secret,
    ))
}

impl Family {
    fn keys(&self, lookup: Lookup<'_>) -> Result<Option<Credentials>> {
        let [id, secret, token] = [self.id, self.secret, self.token].map(|name| said(lookup, name));
        match (id, secret, token) {
            (None, None, None) => Ok(None),
            (Some(id), Some(secret), token) => {
                let credentials = Credentials::new(id, secret).with_token(token.unwrap_or_default());
                credentials.check().map_err(|e| e.at(format!("the environment's {} variables", self.name)))?;
                Ok(Some(credentials))
            }
            // Half of a family is a mistake: another's keys would be somebody else's.
            (id, secret, _) => Err(not_set(&[
                (id.is_none(), self.id, &format!("{}=<id>", self.id)),
                (secret.is_none(), self.secret, &format!("{}=<secret>", self.secret)),
            ])),
        }
    }
}

/// Endpoint, region and bucket by `OSS_ENDPOINT` or `OSS_REGION`, and `OSS_BUCKET`. A region is an endpoint, too.
pub(crate) fn bucket_from_env() -> Result<(String, Option<String>, String)> {
    bucket(&variable)
}

fn bucket(lookup: Lookup<'_>) -> Result<(String, Option<String>, String)> {
    let region = said(lookup, REGION);
    let endpoint = said(lookup, ENDPOINT).or_else(|| region.clone());
    match (endpoint, said(lookup, BUCKET)) {
        (Some(endpoint), Some(bucket)) => Ok((endpoint, region, bucket)),
        (endpoint, bucket) => Err(not_set(&[
            (bucket.is_none(), BUCKET, "OSS_BUCKET=<name>"),
            (endpoint.is_none(), "OSS_ENDPOINT (or OSS_REGION)", "OSS_ENDPOINT=https://oss-cn-hangzhou.aliyuncs.com"),
        ])),
    }
}

/// A variable that says something: set, and more than blanks.
pub(crate) fn said(lookup: Lookup<'_>, name: &str) -> Option<String> {
    lookup(name).map(trimmed).filter(|value| !value.is_empty())
}

/// Names every variable that is missing, and shows how to set each.
pub(crate) fn not_set(variables: &[(bool, &str, &str)]) -> Error {
    let missing = || variables.iter().filter(|(missing, ..)| *missing);
    let names: Vec<_> = missing().map(|(_, name, _)| *name).collect();
    let examples: Vec<_> = missing().map(|(.., example)| *example).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    let (names, examples) = (names.join(" and "), examples.join(" "));
    Error::invalid_input(format!("{names} {verb} not set in the environment: export {examples}"))
}

#[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    // What is not Unicode must not pass for missing: its replacement characters are refused where it is used.
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

const BUCKET: &str = "OSS_BUCKET";
const ENDPOINT: &str = "OSS_ENDPOINT";
const REGION: &str = "OSS_REGION";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn env<'e>(variables: &'e [(&'e str, &'e str)]) -> impl Fn(&str) -> Option<String> + 'e {
        move |name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    }

    fn told(set: &[(&str, &str)]) -> Credentials {
        keys(&env(set)).expect("good").expect("all set")
    }

    fn refused(set: &[(&str, &str)]) -> String {
        let error = keys(&env(set)).expect_err("half or broken");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    }

    const OURS: [(&str, &str); 3] =
        [("OSS_ACCESS_KEY_ID", " id "), ("OSS_ACCESS_KEY_SECRET", "secret"), ("OSS_SESSION_TOKEN", "token")];
    const THEIRS: [(&str, &str); 3] = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "cloud-id"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "cloud-secret\n"),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", "cloud-token"),
    ];

    #[test]
    fn both_families_give_keys_and_the_services_own_come_first() {
        assert_eq!(told(&OURS[..2]), Credentials::new("id", "secret"));
        assert_eq!(told(&[OURS[0], OURS[1], ("OSS_SESSION_TOKEN", " ")]), Credentials::new("id", "secret"));
        assert_eq!(told(&OURS), Credentials::new("id", "secret").with_token("token"));
        assert_eq!(told(&THEIRS[..2]), Credentials::new("cloud-id", "cloud-secret"));
        assert_eq!(told(&THEIRS), Credentials::new("cloud-id", "cloud-secret").with_token("cloud-token"));
        assert_eq!(told(&[THEIRS, OURS].concat()), told(&OURS));
        assert_eq!(keys(&env(&[])).expect("nothing is no mistake"), None);
        assert_eq!(keys(&env(&[("OSS_ACCESS_KEY_ID", " ")])).expect("blanks say nothing"), None);
    }

    #[test]
    fn families_are_never_mixed() {
        let both = [OURS[0], OURS[1], THEIRS[0], THEIRS[1], THEIRS[2]];
        assert_eq!(told(&both).token(), None, "a token goes with the keys of its family");
        for ours in [&OURS[..1], &OURS[1..2], &OURS[2..], &OURS[1..]] {
            let said = refused(&[ours, &THEIRS].concat());
            assert!(said.starts_with("OSS_ACCESS_KEY_"), "not passed over: {said}");
            assert!(!said.contains("ALIBABA"), "{said}");
        }
    }

    #[test]
    fn half_a_family_is_an_error_that_names_what_is_missing() {
        for (set, says) in [
            (&OURS[..1], "OSS_ACCESS_KEY_SECRET is not set in the environment: export OSS_ACCESS_KEY_SECRET=<secret>"),
            (&[("OSS_ACCESS_KEY_ID", " "), OURS[1]], "OSS_ACCESS_KEY_ID is not set"),
            (&OURS[2..], "OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET are not set"),
            (&THEIRS[..1], "ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set"),
            (&THEIRS[1..], "ALIBABA_CLOUD_ACCESS_KEY_ID is not set"),
            (
                &[OURS[0], ("OSS_ACCESS_KEY_SECRET", "sec\u{fffd}ret")],
                "the environment's OSS_* variables: the access key",
            ),
            (&[THEIRS[1], (THEIRS[0].0, "i\nd")], "the environment's ALIBABA_CLOUD_* variables: the access key id has"),
        ] {
            let said = refused(set);
            assert!(said.starts_with(says), "{said}");
        }
        let said = no_keys().to_string();
        for (name, _) in OURS[..2].iter().chain(&THEIRS[..2]) {
            assert!(said.contains(name), "{said}");
        }
    }

    #[test]
    fn the_environment_gives_the_bucket_or_names_what_is_missing() {
        let (endpoint, region, name) =
            (("OSS_ENDPOINT", "http://h"), ("OSS_REGION", " cn-hangzhou"), ("OSS_BUCKET", "b\n"));
        let told = |set: &[(&str, &str)]| bucket(&env(set));
        let cn = || Some("cn-hangzhou".to_owned());
        assert_eq!(told(&[endpoint, region, name]).expect("all"), ("http://h".into(), cn(), "b".into()));
        assert_eq!(told(&[endpoint, name]).expect("enough"), ("http://h".into(), None, "b".into()));
        assert_eq!(told(&[region, name]).expect("enough"), ("cn-hangzhou".into(), cn(), "b".into()));
        for (set, missing) in [
            (&[][..], "OSS_BUCKET and OSS_ENDPOINT (or OSS_REGION) are not set"),
            (&[region][..], "OSS_BUCKET is not set"),
            (&[name, ("OSS_ENDPOINT", "")][..], "OSS_ENDPOINT (or OSS_REGION) is not set"),
        ] {
            let error = told(set).expect_err(missing).to_string();
            assert!(error.starts_with(missing), "{error}");
        }
    }
}
