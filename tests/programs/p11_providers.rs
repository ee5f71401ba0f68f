//! Program 11 of the API page: credentials: closures with refresh, own provider, shared provider.

use oss_append::{Auth, BoxError, Bucket, Credentials, CredentialsProvider, Result};
use std::{
    fs, io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

#[derive(Default)]
struct Vault {
    cached: Mutex<Option<(Instant, Credentials)>>,
}
fn fetch() -> io::Result<Credentials> {
    Ok(Credentials::new("id", "secret").with_token("token"))
}
impl CredentialsProvider for Vault {
    fn credentials(&self) -> Result<Credentials, BoxError> {
        let mut cached = self.cached.lock().map_err(|_| "poisoned")?;
        match &*cached {
            Some((at, c)) if at.elapsed() < Duration::from_secs(600) => Ok(c.clone()),
            _ => {
                let c = fetch()?;
                *cached = Some((Instant::now(), c.clone()));
                Ok(c)
            }
        }
    }
}
pub(crate) fn main() -> Result<()> {
    let vault = Arc::new(Vault::default());
    let auths = [
        Auth::provider(Vault::default()),
        Auth::provider(vault.clone()),
        Auth::provider(|| Ok(Credentials::new("id", "secret"))),
        Auth::provider(|| Ok(fetch()?)),
        Auth::provider(|| {
            let text = fs::read_to_string("key")?;
            let (id, secret) = text.split_once(':').ok_or("no colon in key")?;
            Ok(Credentials::new(id, secret))
        }),
        Auth::provider(move || vault.credentials()),
    ];
    for auth in auths {
        Bucket::new(auth, "http://oss-cn-hangzhou.aliyuncs.com", "bucket")?;
    }
    Ok(())
}
