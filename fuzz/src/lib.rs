//! Fuzz targets. Each is one function, `run`, that takes any bytes and panics where a promise is broken.
//!
//! The programs of libFuzzer in `fuzz_targets` call it, and so does `examples/replay.rs` for files.

pub mod appender_model;
pub mod checkpoint_text;
pub mod crc_join;
pub mod credentials_files;
pub mod endpoint;
pub mod error_body;
pub mod error_header;
pub mod fake_http;
pub mod key_escape;
pub mod response_head;

mod bytes;
mod said;

/// Takes any bytes, and panics where a promise is broken.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 10] = [
    ("appender_model", appender_model::run),
    ("checkpoint_text", checkpoint_text::run),
    ("crc_join", crc_join::run),
    ("credentials_files", credentials_files::run),
    ("endpoint", endpoint::run),
    ("error_body", error_body::run),
    ("error_header", error_header::run),
    ("fake_http", fake_http::run),
    ("key_escape", key_escape::run),
    ("response_head", response_head::run),
];
