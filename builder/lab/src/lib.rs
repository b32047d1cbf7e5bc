//! Owns the simulated parts of EC2 that run on one machine.
