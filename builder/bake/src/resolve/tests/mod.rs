//! Tests of making locks from archives made here.

mod believing;
mod fixture;
mod solving;
