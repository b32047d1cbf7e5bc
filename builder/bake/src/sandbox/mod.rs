//! Owns running programs inside a tree, in namespaces of their own.
