//! New run directories: named by the UTC second, made exclusively, sorted as created.
//!
//! | n-th run of a second | name |
//! |---|---|
//! | first | `2026-11-21T07-07-03Z` |
//! | second | `2026-11-21T07-07-03Z-001` |
//! | 1000th | `2026-11-21T07-07-03Z-999-001` |
//!
//! A lock on the parent directory, held for the few system calls between reading the clock and making the directory,
//! keeps names in the order of creation across processes. Where the lock can't be had the exclusive `mkdir` alone keeps
//! directories apart.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long to wait for the lock on the parent before going on without it.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_POLL: Duration = Duration::from_micros(200);
/// Twins after which a name takes another suffix; keeps the names sorted.
const TWINS_A_SUFFIX: u32 = 998;

/// Makes a new directory below `runs_dir`, which is made as well when missing. `seconds_scale` decimals of the second
/// go into the name (at most nine).
pub fn unique_run_dir(runs_dir: &Path, seconds_scale: u8) -> io::Result<PathBuf> {
    fs::create_dir_all(runs_dir)?;
    let _lock = lock(runs_dir);
    let stamp = stamp(SystemTime::now(), seconds_scale);
    let mut twin = first_free(|twin| taken(&runs_dir.join(name(&stamp, twin))));
    loop {
        let path = runs_dir.join(name(&stamp, twin));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => twin += 1,
            Err(error) => return Err(error),
        }
    }
}

fn taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The lock goes with the returned handle.
fn lock(runs_dir: &Path) -> Option<File> {
    let file = File::open(runs_dir).ok()?;
    let polls = LOCK_PATIENCE.as_micros() / LOCK_POLL.as_micros();
    for _ in 0..polls {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(fs::TryLockError::WouldBlock) => thread::sleep(LOCK_POLL),
            Err(fs::TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// The smallest number that isn't taken, if the taken ones have no gap: by doubling, then by halving, because a sweep
/// makes hundreds of directories in one second.
fn first_free(taken: impl Fn(u32) -> bool) -> u32 {
    if !taken(0) {
        return 0;
    }
    let mut below = 0;
    let mut above = 1;
    while taken(above) {
        below = above;
        above *= 2;
    }
    while above - below > 1 {
        let middle = below.midpoint(above);
        if taken(middle) { below = middle } else { above = middle }
    }
    above
}

fn name(stamp: &str, mut twin: u32) -> String {
    let mut name = stamp.to_owned();
    while twin > TWINS_A_SUFFIX {
        name.push_str("-999");
        twin -= TWINS_A_SUFFIX;
    }
    if twin > 0 {
        let _ = write!(name, "-{twin:03}");
    }
    name
}

/// `2026-11-21T07-07-03Z`, or with decimals `2026-11-21T07-11-45.243Z`.
fn stamp(time: SystemTime, seconds_scale: u8) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = civil(i64::try_from(seconds / 86_400).unwrap_or(0));
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}");
    if seconds_scale > 0 {
        let nanos = format!("{:09}", since.subsec_nanos());
        text.push('.');
        text.push_str(&nanos[..usize::from(seconds_scale.min(9))]);
    }
    text.push('Z');
    text
}

/// Year, month and day of a day counted from 1970-01-01, by the cycle of 400 years that starts in March
/// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_utc_and_carry_decimals() {
        let time = UNIX_EPOCH + Duration::new(1_795_245_105, 243_999_999);
        assert_eq!(stamp(time, 0), "2026-11-21T07-11-45Z");
        assert_eq!(stamp(time, 3), "2026-11-21T07-11-45.243Z");
        assert_eq!(stamp(UNIX_EPOCH + Duration::from_secs(951_782_400), 0), "2000-02-29T00-00-00Z");
        assert_eq!(stamp(UNIX_EPOCH, 0), "1970-01-01T00-00-00Z");
    }

    #[test]
    fn names_sort_as_their_numbers() {
        let names: Vec<_> = (0..5000).map(|twin| name("2026-11-21T07-07-03Z", twin)).collect();
        assert!(names.is_sorted_by(|a, b| a < b));
        assert_eq!(names[1], "2026-11-21T07-07-03Z-001");
        assert_eq!(names[999], "2026-11-21T07-07-03Z-999-001");
    }

    #[test]
    fn the_first_free_number_follows_the_taken_ones() {
        for count in 0..200 {
            assert_eq!(first_free(|twin| twin < count), count);
        }
    }

    #[test]
    fn threads_get_directories_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let runs = root.path().join("deep/runs");
        let made: Vec<PathBuf> = thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| (0..50).map(|_| unique_run_dir(&runs, 0).unwrap()).collect::<Vec<_>>())
                })
                .collect();
            makers.into_iter().flat_map(|maker| maker.join().unwrap()).collect()
        });
        let distinct: std::collections::HashSet<_> = made.iter().collect();
        assert_eq!((made.len(), distinct.len()), (400, 400));
    }
}
