//! Owns downloads: mirrors, resume, verification and the package cache.
