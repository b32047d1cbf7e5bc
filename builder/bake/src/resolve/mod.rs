//! Owns making locks: Release files, their signatures, and apt's solver.
