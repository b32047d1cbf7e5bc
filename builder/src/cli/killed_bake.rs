//! Owns the end of a bake whose worker was killed, by Ctrl-C or by the kernel for want of memory: what
//! it left is removed, and what is said of it is true.

use std::collections::BTreeSet;
use std::path::PathBuf;

use vmimage_bake::execute::{Surroundings, observe_output, remove_unfinished};
use vmimage_plan::bake::Format;

use super::worker::Aftermath;

/// A bake, and what was in its output directory before.
#[derive(Debug)]
pub(super) struct KilledBake {
    out: PathBuf,
    cache: PathBuf,
    project: PathBuf,
    before: Option<(String, BTreeSet<Format>)>,
}

impl KilledBake {
    /// Looks at what is there before the bake.
    pub(super) fn new(out: PathBuf, cache: PathBuf, project: PathBuf) -> Self {
        Self {
            before: observe_output(&out),
            out,
            cache,
            project,
        }
    }

    /// Removes what is unfinished. Without a bake whose places are known there is nothing.
    pub(super) fn clean_up(killed: Option<Self>, holder: &str) -> Aftermath {
        killed.map_or_else(unchanged, |bake| bake.clean_up_after(holder))
    }

    fn clean_up_after(self, holder: &str) -> Aftermath {
        let around = Surroundings {
            cache: &self.cache,
            project: &self.project,
        };
        let removed = remove_unfinished(&self.out, around, holder);
        let out = self.out.display();
        if observe_output(&self.out) != self.before {
            return Aftermath {
                code: 3,
                changed: format!(
                    "`{out}` was replaced already, wholly or in part: run the same command again to \
                     be sure"
                ),
            };
        }
        removed.map_or_else(
            |error| Aftermath {
                code: 3,
                changed: format!(
                    "what was made beside `{out}` stays ({error}); the next bake removes it"
                ),
            },
            |()| unchanged(),
        )
    }
}

fn unchanged() -> Aftermath {
    Aftermath {
        code: 1,
        changed: "nothing was changed; finished layers and downloads are kept for the next run"
            .to_owned(),
    }
}
