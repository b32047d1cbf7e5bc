//! Owns installing packages into a layer: parallel unpacking, dpkg's records, configuration.
