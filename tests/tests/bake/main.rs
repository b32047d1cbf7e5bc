//! Bakes for real: needs root, apt and Debian's archive. Each file tells one story.

mod bad_input;
mod boots;
mod identical;
mod interrupted;
mod layers;
mod output;
mod unprivileged;
