//! Owns looking into finished images, and comparing two.
