//! The name of a run: where below the logdir its event files are.

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A run below a logdir: `"."` for the logdir itself, `"train"`, `"a/b"`.
///
/// Never absolute and never with an empty, `.` or `..` component, so a run can't lead out of its logdir.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunName(Arc<str>);

/// Why a text is no run name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no run name: {reason}")]
pub struct InvalidRunName {
    name: String,
    reason: &'static str,
}

/// Longer names don't fit into the record that sharing processes leave for each other.
const MAX_LEN: usize = 2048;

impl RunName {
    /// The logdir itself.
    pub fn root() -> Self {
        Self(".".into())
    }

    /// Checks a name as users write it; `"./train"` is `"train"`.
    pub fn new(name: &str) -> Result<Self, InvalidRunName> {
        let refuse = |reason| Err(InvalidRunName { name: name.chars().take(200).collect(), reason });
        let relative = name.strip_prefix("./").unwrap_or(name);
        if relative == "." {
            return Ok(Self::root());
        }
        if relative.starts_with('/') || Path::new(relative).is_absolute() {
            return refuse("it is absolute");
        }
        if relative.len() > MAX_LEN {
            return refuse("it is longer than 2048 bytes");
        }
        if relative.contains('\0') {
            return refuse("it holds a NUL");
        }
        for component in relative.split('/') {
            match component {
                "" => return refuse("it has an empty component"),
                "." | ".." => return refuse("it has a component `.` or `..`"),
                _ if component.starts_with('.') => {
                    return refuse(
                        "it has a component that begins with a dot: readers leave out what is hidden",
                    );
                }
                _ if cfg!(windows) && component.contains(['\\', ':']) => {
                    return refuse("it holds a `\\` or `:`");
                }
                _ => {}
            }
        }
        Ok(Self(relative.into()))
    }

    /// The name, `"."` for the logdir itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The run of one source among several that write to this run: `<run>@<source>`.
    #[must_use]
    pub fn suffixed(&self, source: &str) -> Self {
        let run = if &*self.0 == "." { "" } else { &*self.0 };
        Self(format!("{run}@{source}").into())
    }

    /// The run's directory below `logdir`.
    pub fn dir(&self, logdir: &Path) -> PathBuf {
        if &*self.0 == "." { logdir.to_path_buf() } else { logdir.join(&*self.0) }
    }
}

impl Borrow<str> for RunName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_stay_inside() {
        for (name, kept) in
            [(".", "."), ("./.", "."), ("train", "train"), ("./a/b", "a/b"), ("a b/ü", "a b/ü")]
        {
            assert_eq!(RunName::new(name).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn names_that_lead_out() {
        let long = "x".repeat(3000);
        for name in [
            "", "/abs", "..", "../x", "a/../b", "a//b", "a/", "a/./b", ".hidden", "a/.b", "a\0", ".//a",
            &long,
        ] {
            assert!(RunName::new(name).is_err(), "{name:?}");
        }
    }
}
