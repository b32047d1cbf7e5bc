//! Owns what can go wrong with the lab's network and with the process that holds its namespaces.

use std::io;

/// Why the lab's namespaces or network are not as asked for.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A region's name is not made of lower case letters, digits and hyphens.
    #[error("`{region}` is no name of a region")]
    RegionName {
        /// The name.
        region: String,
    },
    /// Two regions have one name or one network.
    #[error("regions `{region}` and `{other}` cannot both be the network {network}")]
    SharedNetwork {
        /// The later one.
        region: String,
        /// The earlier one.
        other: String,
        /// The later one's network.
        network: String,
    },
    /// No such region in this lab.
    #[error("the lab has no region `{region}`")]
    NoRegion {
        /// The name that was asked for.
        region: String,
    },
    /// The namespaces could not be made.
    #[error("cannot make the lab's namespaces")]
    Namespaces(#[source] io::Error),
    /// A program of the host is missing or was refused.
    #[error("cannot start `{program}`")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program of the host failed.
    #[error("`{program}` failed: {said}")]
    Program {
        /// The program with its arguments.
        program: String,
        /// The last of what it said.
        said: String,
    },
    /// A setting of the kernel could not be written.
    #[error("cannot write `{path}`")]
    Setting {
        /// Its file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A socket could not be opened inside the lab.
    #[error("cannot listen at {address} inside the lab")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}
