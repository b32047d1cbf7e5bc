//! Tests of what needs no namespace; the rest is tested with whole bakes in `tests/`.

use super::{Run, SandboxError};
use std::io;

#[test]
fn a_run_has_a_deadline_unless_told_otherwise() {
    assert_eq!(Run::new(&["true"]).timeout.as_secs(), 900);
}

#[test]
fn a_missing_unshare_is_explained() {
    let error = SandboxError::Start {
        program: "true".to_owned(),
        root: "/tree".to_owned(),
        source: io::Error::from(io::ErrorKind::NotFound),
    };
    assert_eq!(error.to_string(), "cannot start `true` in `/tree`");
    assert_eq!(
        error.hint().as_deref(),
        Some("install util-linux 2.38 or newer, which brings `unshare` and `setpriv`")
    );
}
