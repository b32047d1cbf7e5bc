//! Owns what the integration tests share: the stand-in vendor repository and its signing key.
