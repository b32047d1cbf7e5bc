//! Owns the tests of the whole account through its one door, `query`.

mod balancing;
mod bed;
mod capacity;
mod checks;
mod consistency;
mod groups;
mod hooks;
mod instances;
mod properties;
mod replacing;
mod speed;
mod templates;
mod volumes;

use super::*;
use bed::{Bed, text, texts};
