//! How to live with this crate, by topic. There is no code in here: each module is a page.
//!
//! | page | when |
//! |---|---|
//! | [`exactly_once`] | you want to know what is promised, or an error came back |
//! | [`writing_logs`] | a logger, several processes or a rolling file is to end in an object |
//! | [`credentials`] | keys come from somewhere, expire, or must not be in the program |
//! | [`testing_your_program`] | your code is to be tested without an account |
//! | [`coming_from_oss2`] | there is a Python program that does it already |
//! | [`limits_and_prices`] | how large, how many requests, how fast, how much memory |
//! | [`permissions`] | a RAM policy is to be written, or 403 came back |
//! | [`endpoints_and_networks`] | regions, domains, proxies, certificates, timeouts, clocks |
//!
//! Every Rust snippet is a test that runs offline, against [`FakeOss`]. Where a page states what the service does, it
//! names the page of the service's own documentation in brackets, as (AppendObject reference).
#![cfg_attr(feature = "testing", doc = "\n\n[`FakeOss`]: crate::testing::FakeOss")]
#![cfg_attr(not(feature = "testing"), doc = "\n\n[`FakeOss`]: crate#features")]

#[doc = include_str!("exactly_once.md")]
pub mod exactly_once {}

#[doc = include_str!("writing_logs.md")]
pub mod writing_logs {}

#[doc = include_str!("credentials.md")]
#[cfg_attr(
    feature = "credentials",
    doc = "\n\n[`credentials::EcsRamRole`]: crate::credentials::EcsRamRole\n[`credentials::OidcRole`]: crate::credentials::OidcRole\n[`credentials::Process`]: crate::credentials::Process\n[`credentials::Uri`]: crate::credentials::Uri\n[`Cached`]: crate::credentials::Cached\n[`Auth::default_chain`]: crate::Auth::default_chain"
)]
#[cfg_attr(
    not(feature = "credentials"),
    doc = "\n\n[`credentials::EcsRamRole`]: crate#features\n[`credentials::OidcRole`]: crate#features\n[`credentials::Process`]: crate#features\n[`credentials::Uri`]: crate#features\n[`Cached`]: crate#features\n[`Auth::default_chain`]: crate#features"
)]
pub mod credentials {}

#[doc = include_str!("testing_your_program.md")]
#[cfg_attr(
    feature = "testing",
    doc = "\n\n[`FakeOss`]: crate::testing::FakeOss\n[`Fault`]: crate::testing::Fault\n[`Recorded`]: crate::testing::Recorded"
)]
#[cfg_attr(
    not(feature = "testing"),
    doc = "\n\n[`FakeOss`]: crate#features\n[`Fault`]: crate#features\n[`Recorded`]: crate#features"
)]
pub mod testing_your_program {}

#[doc = include_str!("coming_from_oss2.md")]
pub mod coming_from_oss2 {}

#[doc = include_str!("limits_and_prices.md")]
#[cfg_attr(feature = "md5", doc = "\n\n[`AppendOptions::content_md5`]: crate::AppendOptions::content_md5")]
#[cfg_attr(not(feature = "md5"), doc = "\n\n[`AppendOptions::content_md5`]: crate#features")]
pub mod limits_and_prices {}

#[doc = include_str!("permissions.md")]
pub mod permissions {}

#[doc = include_str!("endpoints_and_networks.md")]
pub mod endpoints_and_networks {}
