//! Whatever this machine has: one order, decided once.

use super::{EcsRamRole, OidcRole, instance, oidc};
use crate::{
    Auth, BoxError, Credentials, CredentialsProvider, Error, ErrorKind,
    auth::{
        environment::{self, Lookup, said},
        ossutil,
    },
    error::Result,
};

pub(crate) fn default_chain(lookup: Lookup<'_>) -> Result<Auth> {
    if let Some(keys) = environment::keys(lookup)? {
        return Ok(Auth::fixed(keys));
    }
    if let Some(role) = OidcRole::from_variables(lookup)? {
        return Ok(Auth::provider(role));
    }
    let file = match ossutil::default_path(lookup) {
        // A file that was named must be there; the default one may be absent, and nothing else may be wrong with it.
        Some(path) if said(lookup, ossutil::CONFIG_FILE).is_some() || path.symlink_metadata().is_ok() => {
            let keys = ossutil::read(&path, ossutil::default_profile(lookup).as_deref())?;
            return Ok(keys.map_or_else(Auth::anonymous, Auth::fixed));
        }
        Some(path) => format!("there is no ossutil file {}", path.display()),
        None => format!("there is no ossutil file (neither {} nor a home directory)", ossutil::CONFIG_FILE),
    };
    let lacks = format!(
        "OSS_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_ID are not set, {} is not set, {file}",
        oidc::TOKEN_FILE_VARIABLE
    );
    match EcsRamRole::from_variables(lookup) {
        Some(role) => Ok(Auth::provider(LastResort { role, lacks })),
        None => {
            Err(Error::invalid_input(format!("no credentials: {lacks}, and {} is true", instance::DISABLED_VARIABLE)))
        }
    }
}

/// The metadata service, which may or may not be there; if not, the user needs to know what else was looked for.
struct LastResort {
    role: EcsRamRole,
    lacks: String,
}

impl LastResort {
    fn or_told(&self, keys: Result<Credentials, BoxError>) -> Result<Credentials, BoxError> {
        keys.map_err(|cause| {
            let what = format!("no credentials: {}, and the instance's metadata service gives none", self.lacks);
            Error::new(ErrorKind::Credentials, what).with_source(cause).into()
        })
    }
}

impl CredentialsProvider for LastResort {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        self.or_told(self.role.credentials())
    }

    fn refresh(&self, refused: &Credentials) -> Result<Credentials, BoxError> {
        self.or_told(self.role.refresh(refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, time::Duration};

    type Variables<'v> = &'v [(&'v str, &'v str)];

    const OSS: Variables<'_> = &[("OSS_ACCESS_KEY_ID", "oss"), ("OSS_ACCESS_KEY_SECRET", "hidden")];
    const CLOUD: Variables<'_> =
        &[("ALIBABA_CLOUD_ACCESS_KEY_ID", "cloud"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hidden")];
    const OIDC: Variables<'_> = &[
        ("ALIBABA_CLOUD_ROLE_ARN", "role"),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "provider"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/nowhere"),
    ];
    const DISABLED: (&str, &str) = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "True");

    fn chain(variables: &[(&str, &str)]) -> Result<String> {
        let lookup = |name: &str| {
            let mut found = variables.iter().filter(|(n, _)| *n == name);
            found.next().map(|(_, value)| (*value).to_owned())
        };
        default_chain(&lookup).map(|auth| format!("{auth:?}"))
    }

    #[track_caller]
    fn refused(variables: &[(&str, &str)], says: &[&str]) {
        let error = chain(variables).expect_err("broken");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let said = format!("{error} {error:?}");
        assert!(!said.contains("hidden"), "{said}");
        for says in says {
            assert!(said.contains(says), "{says} in {said}");
        }
    }

    #[test]
    fn the_first_that_is_configured_is_taken() {
        let home = tempfile::tempdir().expect("room");
        let home_path = home.path().to_str().expect("text");
        let at_home = [("HOME", home_path), ("USERPROFILE", home_path)];
        let all = [OSS, CLOUD, OIDC, &at_home].concat();
        fs::write(home.path().join(".ossutilconfig"), "[default]\naccesskeyid=file\naccesskeysecret=hidden\n")
            .expect("room");
        assert!(chain(&all).expect("OSS").contains("\"oss\""));
        assert!(chain(&all[2..]).expect("cloud").contains("\"cloud\""));
        assert_eq!(chain(&all[4..]).expect("OIDC"), "Auth(provider)");
        assert!(chain(&all[7..]).expect("file").contains("\"file\""));
        assert!(chain(&[&all[7..], &[DISABLED]].concat()).expect("file").contains("\"file\""));
        fs::write(home.path().join(".ossutilconfig"), "[default]\nmode=Anonymous\n").expect("room");
        assert_eq!(chain(&all[7..]).expect("file"), "Auth(anonymous)");
        assert_eq!(chain(&[]).expect("the instance, perhaps"), "Auth(provider)");
    }

    #[test]
    fn a_broken_one_stops_it() {
        let home = tempfile::tempdir().expect("room");
        let path = home.path().join(".ossutilconfig");
        let home = home.path().to_str().expect("text");
        let at_home = [("HOME", home), ("USERPROFILE", home)];
        fs::write(&path, "[default]\nmode=EcsRamRole\nx=hidden\n").expect("room");
        refused(&[&OSS[..1], CLOUD, OIDC].concat(), &["OSS_ACCESS_KEY_SECRET is not set"]);
        refused(&[&CLOUD[1..], OIDC].concat(), &["ALIBABA_CLOUD_ACCESS_KEY_ID is not set"]);
        refused(&[&OIDC[..2], &at_home].concat(), &["ALIBABA_CLOUD_OIDC_TOKEN_FILE is not set"]);
        refused(&OIDC[2..], &["ALIBABA_CLOUD_ROLE_ARN and ALIBABA_CLOUD_OIDC_PROVIDER_ARN are not set"]);
        refused(&at_home, &["the mode EcsRamRole is not read from here", "line 2"]);
        refused(&[at_home[0], at_home[1], ("OSSUTIL_PROFILE", "dev")], &["no profile \"dev\""]);
        refused(&[("OSSUTIL_CONFIG_FILE", "/nowhere/hid")], &["/nowhere/hid cannot be read"]);
    }

    #[test]
    fn if_there_is_none_each_is_named_with_what_it_lacked() {
        let names = ["OSS_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "ossutil"];
        refused(&[DISABLED], &[&names[..], &["ALIBABA_CLOUD_ECS_METADATA_DISABLED is true"]].concat());

        let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let role = EcsRamRole::new().endpoint(&format!("http://{}", nobody.local_addr().expect("bound")));
        let role = role.timeout(Duration::from_millis(20));
        let last = LastResort { role, lacks: "this and that".into() };
        let error = last.credentials().expect_err("nobody answers");
        assert_eq!(error.to_string(), "no credentials: this and that, and the instance's metadata service gives none");
        assert!(error.source().is_some());
    }
}
