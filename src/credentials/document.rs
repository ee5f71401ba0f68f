//! Credentials as JSON. The only file that names the JSON crate. Nothing of a document is ever shown but its field names.

use crate::{Credentials, Error, ErrorKind, clock, error::Result};
use serde_json::{Map, Value};

/// What must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Id and secret: long-lived keys are as good as others.
    Keys,
    /// Token and expiry, too: the source only gives out temporary ones.
    All,
}

/// A JSON object.
#[derive(Debug)]
pub(super) struct Document(Map<String, Value>);

impl Document {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(broken("it is JSON, but no object")),
            Err(error) => Err(broken(format!("it is no JSON (line {}, column {})", error.line(), error.column()))),
        }
    }

    /// The object in a field.
    pub(super) fn within(mut self, name: &str) -> Result<Self> {
        match self.0.remove(name) {
            Some(Value::Object(fields)) => Ok(Self(fields)),
            Some(_) => Err(broken(format!("{name} is no object"))),
            None => Err(broken(format!("{name} is missing"))),
        }
    }

    /// A text that says something. The first of the names that is there counts.
    pub(super) fn text(&self, names: &[&str]) -> Result<Option<&str>> {
        let Some((name, value)) = names.iter().find_map(|name| Some((name, self.0.get(*name)?))) else {
            return Ok(None);
        };
        match value {
            Value::String(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Value::Null => Ok(None),
            _ => Err(broken(format!("{name} is no text"))),
        }
    }

    /// The keys, under the names of OSS and STS or those of Alibaba Cloud's command line.
    pub(super) fn credentials(&self, needs: Needs) -> Result<Credentials> {
        let needed = |names: &[&str]| {
            self.text(names)?.ok_or_else(|| broken(format!("{} is missing or empty", names.join(" (or ") + ")")))
        };
        let asked = |names: &[&str]| if needs == Needs::All { needed(names).map(Some) } else { self.text(names) };
        let credentials = Credentials::new(needed(ID)?, needed(SECRET)?);
        let credentials = credentials.with_token(asked(TOKEN)?.unwrap_or_default());
        let expiry = asked(EXPIRY)?.map(|text| clock::parse_rfc_3339(text).ok_or(EXPIRY)).transpose();
        let expiry = expiry.map_err(|names| broken(format!("{} is no time as 2025-04-10T10:00:57Z", names[0])))?;
        Ok(credentials.expiring(expiry))
    }
}

fn broken(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Credentials, what.into())
}

const ID: &[&str] = &["AccessKeyId", "access_key_id"];
const SECRET: &[&str] = &["AccessKeySecret", "access_key_secret"];
const TOKEN: &[&str] = &["SecurityToken", "sts_token"];
const EXPIRY: &[&str] = &["Expiration", "expiration"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, needs: Needs) -> Result<Credentials> {
        Document::parse(text.as_bytes())?.credentials(needs)
    }

    #[test]
    fn both_spellings_are_read() {
        let expected = Credentials::new("id", "secret").with_token("token").expiring(Some(1_744_279_257));
        for text in [
            r#"{"AccessKeyId":"id","AccessKeySecret":"secret","SecurityToken":"token","Expiration":"2025-04-10T10:00:57Z"}"#,
            r#"{"mode":"StsToken","access_key_id":" id","access_key_secret":"secret\n","sts_token":"token",
                "expiration":"2025-04-10T18:00:57+08:00","other":[{}]}"#,
        ] {
            for needs in [Needs::Keys, Needs::All] {
                let credentials = read(text, needs).expect("all is there");
                assert_eq!(credentials, expected);
                assert_eq!(credentials.expiry(), Some(1_744_279_257));
            }
        }
        let plain = r#"{"AccessKeyId":"id","AccessKeySecret":"secret","SecurityToken":null,"Expiration":""}"#;
        assert_eq!(read(plain, Needs::Keys).expect("long-lived"), Credentials::new("id", "secret"));
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_is_shown() {
        let all = [
            ("AccessKeyId", "\"hidden\""),
            ("AccessKeySecret", "\"hidden\""),
            ("SecurityToken", "\"hidden\""),
            ("Expiration", "\"2025-04-10T10:00:57Z\""),
        ];
        let text = |fields: &[(&str, &str)]| {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
            format!("{{{}}}", fields.join(","))
        };
        let refused = |text: &str, needs, says: &str| {
            let said = read(text, needs).expect_err(says).to_string();
            assert!(said.contains(says), "{said}");
            assert!(!said.contains("hidden"), "{said}");
        };
        for n in 0..4 {
            let mut fields = all.to_vec();
            fields.remove(n);
            refused(&text(&fields), Needs::All, &format!("{} (or ", all[n].0));
            if n < 2 {
                refused(&text(&fields), Needs::Keys, "is missing or empty");
            }
            for (value, says) in
                [("\" \"", "is missing or empty"), ("null", "is missing"), ("[\"hidden\"]", "is no text")]
            {
                let mut fields = all;
                fields[n].1 = value;
                refused(&text(&fields), Needs::All, says);
            }
        }
        let mut fields = all;
        fields[3].1 = "\"hidden\"";
        refused(&text(&fields), Needs::Keys, "Expiration is no time");
        let deep = "[".repeat(100_000);
        for (text, says) in
            [("", "no JSON (line 1"), ("hidden", "no JSON"), ("\"hidden\"", "no object"), (&*deep, "no JSON")]
        {
            refused(text, Needs::Keys, says);
        }
        assert!(Document::parse(b"{\"a\":1}").expect("an object").within("a").is_err());
        assert!(Document::parse(b"{\"a\":1}").expect("an object").within("b").is_err());
    }
}
