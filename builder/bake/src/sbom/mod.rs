//! Owns software bills of materials: SPDX and CycloneDX.
