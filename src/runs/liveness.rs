//! Does the process of a run still live? Judged when asked, from facts the run left, never from a state it promised.
//!
//! A running run keeps `alive.json` fresh: host, boot, pid namespace, pid and its start time, and how often it beats.
//! On the same boot and in the same pid namespace the process table answers. Elsewhere only the age of the beat does,
//! measured by the clock of the file server that stamped it; so another host's run is at worst overdue, never dead.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::json::Json;
use super::write::{create_beside, write_atomic};

/// How often a run beats.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// A beat is overdue after this many promised intervals, and never before [`GRACE`].
const MISSED_BEATS: u32 = 3;
const GRACE: Duration = Duration::from_secs(60);

/// What `alive.json` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// The host's name.
    pub host: String,
    /// The boot the process belongs to; empty where the system has none.
    pub boot_id: String,
    /// The pid namespace; empty where the system has none.
    pub pid_namespace: String,
    /// The process.
    pub pid: u32,
    /// When it started, in the system's own units; empty if not known.
    pub pid_start: String,
    /// The promise: the next beat comes within this time.
    pub interval: Duration,
}

/// How a run without an end is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its process is there, or its beat is in time.
    Live,
    /// Its beat is overdue, and nobody can say more from here.
    Overdue,
    /// Its process is gone.
    Dead,
}

/// The host's facts, read once a listing.
#[derive(Clone, Debug)]
pub struct Here {
    boot_id: String,
    pid_namespace: String,
}

impl Here {
    /// Reads them.
    pub fn read() -> Self {
        Self { boot_id: boot_id(), pid_namespace: pid_namespace() }
    }

    /// Judges a run. `age` is that of its last beat.
    pub fn judge(&self, alive: &Alive, age: impl FnOnce() -> Duration) -> Verdict {
        let same_table = !alive.boot_id.is_empty()
            && alive.boot_id == self.boot_id
            && !alive.pid_namespace.is_empty()
            && alive.pid_namespace == self.pid_namespace;
        if same_table {
            return if process_lives(alive.pid, &alive.pid_start) { Verdict::Live } else { Verdict::Dead };
        }
        if age() > (alive.interval * MISSED_BEATS).max(GRACE) { Verdict::Overdue } else { Verdict::Live }
    }
}

/// Judges the process that keeps the beat at `path`: by the process table, else by the age of the file on the clock that
/// stamped it. `None` where no beat can be read.
pub fn judge_beat(path: &Path) -> io::Result<Option<Verdict>> {
    let read = fs::symlink_metadata(path).and_then(|about| Ok((about.modified()?, fs::read(path)?)));
    let (beaten, bytes) = match read {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let alive = Json::parse(&bytes).ok().and_then(|json| Alive::from_json(&json));
    let age = || server_time(path).duration_since(beaten).unwrap_or_default();
    Ok(alive.map(|alive| Here::read().judge(&alive, age)))
}

/// The clock that stamps files beside `path`: that of one made there, where we may make one.
pub fn server_time(path: &Path) -> SystemTime {
    let stamped = create_beside(&path.with_file_name("clock")).and_then(|(made, file)| {
        let time = file.metadata().and_then(|about| about.modified());
        fs::remove_file(made).and(time)
    });
    stamped.unwrap_or_else(|_| SystemTime::now())
}

impl Alive {
    /// The facts of the process `pid` of this host.
    pub fn of(pid: u32, interval: Duration) -> Self {
        Self {
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            boot_id: boot_id(),
            pid_namespace: pid_namespace(),
            pid,
            pid_start: start_time(pid).ok().flatten().unwrap_or_default(),
            interval,
        }
    }

    /// Reads the facts; `None` where they are incomplete.
    pub fn from_json(json: &Json) -> Option<Self> {
        let text = |key| json.get(key).and_then(Json::text).map(str::to_owned);
        let seconds = json.get("interval_secs").and_then(Json::number)?;
        Some(Self {
            host: text("host")?,
            boot_id: text("boot_id")?,
            pid_namespace: text("pid_namespace")?,
            pid: u32::try_from(json.get("pid")?.int()?).ok()?,
            pid_start: text("pid_start")?,
            interval: Duration::try_from_secs_f64(seconds).ok()?.min(Duration::from_secs(86_400)),
        })
    }

    /// The facts as a document, with the count and the time of the beat.
    pub fn to_json(&self, beat: u64) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let text = |text: &str| Json::Text(text.to_owned());
        Json::Map(vec![
            ("host".to_owned(), text(&self.host)),
            ("boot_id".to_owned(), text(&self.boot_id)),
            ("pid_namespace".to_owned(), text(&self.pid_namespace)),
            ("pid".to_owned(), Json::Int(i64::from(self.pid))),
            ("pid_start".to_owned(), text(&self.pid_start)),
            ("interval_secs".to_owned(), Json::Float(self.interval.as_secs_f64())),
            ("beat".to_owned(), Json::Int(i64::try_from(beat).unwrap_or(i64::MAX))),
            ("time".to_owned(), Json::Float(since)),
        ])
        .to_string()
            + "\n"
    }
}

/// Beats into a file until it is stopped or dropped. Owns one thread, named `tfruns-heartbeat`, which holds no lock and
/// never waits for Python; a failed beat (a full disk, a server away) is tried again at the next.
#[derive(Debug)]
pub struct Heartbeat {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    owner: u32,
}

impl Heartbeat {
    /// Writes the first beat and goes on.
    pub fn start(path: &Path, pid: u32, interval: Duration) -> io::Result<Self> {
        let alive = Alive::of(pid, interval);
        write_atomic(path, alive.to_json(0).as_bytes(), false)?;
        let (stop, stopped) = mpsc::channel();
        let path = PathBuf::from(path);
        let thread = thread::Builder::new().name("tfruns-heartbeat".to_owned()).spawn(move || {
            let mut beat = 0;
            while stopped.recv_timeout(alive.interval) == Err(RecvTimeoutError::Timeout) {
                beat += 1;
                // A run whose directory was moved or removed has no use for a beat.
                if !path.exists() {
                    break;
                }
                let _ = write_atomic(&path, alive.to_json(beat).as_bytes(), false);
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread), owner: process::id() })
    }

    /// Ends the beat and waits for its thread.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        // The thread of the parent does not exist in a forked child.
        if let Some(thread) = self.thread.take()
            && self.owner == process::id()
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop();
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

fn pid_namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Field 22 of `/proc/<pid>/stat`, in clock ticks since boot; the name before it may hold spaces and parentheses.
/// `None` for a zombie: it has ended and only waits to be asked for its exit code.
fn start_time(pid: u32) -> io::Result<Option<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let is_zombie = fields.next() == Some("Z");
    Ok(fields.nth(18).filter(|_| !is_zombie).map(str::to_owned))
}

/// True unless the system says that there is no such process, or that it is a later one of the same number. A process
/// table that hides other users' processes says neither.
#[cfg(unix)]
fn process_lives(pid: u32, pid_start: &str) -> bool {
    let Some(process) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return false;
    };
    let gone = || rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH);
    match start_time(pid) {
        Ok(start) => start.is_some_and(|start| pid_start.is_empty() || start == pid_start),
        Err(_) => !gone(),
    }
}

#[cfg(not(unix))]
fn process_lives(_: u32, _: &str) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn never() -> Duration {
        panic!("the process table answers")
    }

    #[test]
    fn a_process_of_this_host_is_judged_by_the_process_table() {
        let here = Here::read();
        let mut alive = Alive::of(process::id(), INTERVAL);
        assert_eq!(here.judge(&alive, never), Verdict::Live);
        alive.pid_start = "1".to_owned();
        assert_eq!(here.judge(&alive, never), Verdict::Dead, "a later process of the same number");
        let mut child = process::Command::new("true").spawn().unwrap();
        let gone = Alive::of(child.id(), INTERVAL);
        child.wait().unwrap();
        assert_eq!(here.judge(&gone, never), Verdict::Dead);
        assert_eq!(here.judge(&Alive::of(1, INTERVAL), never), Verdict::Live, "not ours to signal");
    }

    #[test]
    fn another_host_is_judged_by_its_beat_and_never_dead() {
        let here = Here::read();
        let mut alive = Alive::of(process::id(), INTERVAL);
        alive.boot_id = "another boot".to_owned();
        assert_eq!(here.judge(&alive, || Duration::from_secs(30)), Verdict::Live);
        assert_eq!(here.judge(&alive, || Duration::from_secs(61)), Verdict::Overdue);
        alive.interval = Duration::from_secs(100);
        assert_eq!(here.judge(&alive, || Duration::from_secs(299)), Verdict::Live);
    }

    #[test]
    fn a_beat_is_judged_where_it_lies() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("beat.json");
        assert_eq!(judge_beat(&path).unwrap(), None);
        fs::write(&path, "{}").unwrap();
        assert_eq!(judge_beat(&path).unwrap(), None, "no facts");
        let mut alive = Alive::of(process::id(), INTERVAL);
        fs::write(&path, alive.to_json(0)).unwrap();
        assert_eq!(judge_beat(&path).unwrap(), Some(Verdict::Live));
        alive.boot_id = "another boot".to_owned();
        fs::write(&path, alive.to_json(0)).unwrap();
        assert_eq!(judge_beat(&path).unwrap(), Some(Verdict::Live));
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
        assert_eq!(judge_beat(&path).unwrap(), Some(Verdict::Overdue));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "the clock is not left behind");
    }

    #[test]
    fn facts_survive_the_file() {
        let alive = Alive::of(process::id(), INTERVAL);
        let json = Json::parse(alive.to_json(7).as_bytes()).unwrap();
        assert_eq!(Alive::from_json(&json), Some(alive));
        assert_eq!(json.get("beat").and_then(Json::int), Some(7));
        assert_eq!(Alive::from_json(&Json::parse(b"{\"pid\": -1}").unwrap()), None);
    }

    #[test]
    fn a_heart_beats_until_it_is_stopped() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("alive.json");
        let mut heart = Heartbeat::start(&path, process::id(), Duration::from_millis(5)).unwrap();
        let beat =
            || Json::parse(&fs::read(&path).unwrap()).unwrap().get("beat").and_then(Json::int).unwrap();
        let deadline = SystemTime::now() + Duration::from_secs(10);
        while beat() < 2 {
            assert!(SystemTime::now() < deadline);
            thread::sleep(Duration::from_millis(2));
        }
        heart.stop();
        let last = beat();
        thread::sleep(Duration::from_millis(30));
        assert_eq!(beat(), last);
    }
}
