//! Owns manifest.json: what an image was made from, and what it is.
