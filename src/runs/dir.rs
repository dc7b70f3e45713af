//! A directory held open: names are listed, and files opened, below the handle, without following links.
//!
//! What lies in a run directory is untrusted. A link, a device or a pipe under a known name is refused instead of
//! opened, so a hostile run can neither point a listing at other files nor make it wait.

use std::ffi::OsString;
use std::io;
use std::ops::Range;

pub use system::Dir;

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Other,
}

/// An entry of a directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// What it is.
    pub kind: Kind,
}

/// What changes when a file or directory changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Modification and status change, in nanoseconds since the epoch.
    pub times: (i64, i64),
    /// Bytes.
    pub size: u64,
    /// The file's number.
    pub inode: u64,
}

/// The entries of a directory whose names are UTF-8, in one text that the next directory uses again.
#[derive(Debug, Default)]
pub struct Names {
    text: String,
    entries: Vec<(Range<usize>, Kind)>,
    /// How many names are not UTF-8.
    pub foreign: usize,
}

impl Names {
    /// Names and kinds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.entries.iter().map(|(range, kind)| (&self.text[range.clone()], *kind))
    }

    /// What stands under a name.
    pub fn find(&self, name: &str) -> Option<Kind> {
        self.iter().find_map(|(held, kind)| (held == name).then_some(kind))
    }

    /// By name.
    pub fn sort(&mut self) {
        let text = &self.text;
        self.entries.sort_unstable_by(|(a, _), (b, _)| text[a.clone()].cmp(&text[b.clone()]));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
        self.foreign = 0;
    }

    fn push(&mut self, name: Option<&str>, kind: Kind) {
        let Some(name) = name else {
            self.foreign += 1;
            return;
        };
        let from = self.text.len();
        self.text.push_str(name);
        self.entries.push((from..self.text.len(), kind));
    }
}

/// Content read up to a limit.
#[derive(Debug)]
pub struct Content {
    /// So many bytes of the buffer.
    pub len: usize,
    /// The whole file's size, when it holds more than was read.
    pub cut_from: Option<u64>,
}

/// The first read asks for so much: one call reads most files whole.
#[cfg(unix)]
const FIRST_READ: usize = 32 << 10;

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.to_owned())
}

#[cfg(unix)]
mod system {
    use std::ffi::{CStr, OsStr};
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat};
    use rustix::io::{Errno, read, retry_on_intr};

    use super::{Content, Entry, FIRST_READ, Kind, Names, Stamp, refused};

    /// An open directory.
    #[derive(Debug)]
    pub struct Dir {
        fd: OwnedFd,
    }

    const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    const FILE: OFlags =
        OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

    impl Dir {
        /// Opens `path`, links in it followed: the caller names it.
        pub fn open(path: &Path) -> io::Result<Self> {
            Ok(Self { fd: openat(CWD, path, DIRECTORY, Mode::empty())? })
        }

        /// The directory `name` below this one; a link counts only where `follow` says so.
        pub fn child(&self, name: impl AsRef<OsStr>, follow: bool) -> io::Result<Self> {
            let flags = if follow { DIRECTORY } else { DIRECTORY | OFlags::NOFOLLOW };
            Ok(Self { fd: openat(&self.fd, name.as_ref(), flags, Mode::empty())? })
        }

        /// The entries, hidden ones left out, in no order.
        pub fn entries(&self) -> io::Result<Vec<Entry>> {
            let mut entries = Vec::with_capacity(32);
            self.list(|name, kind| entries.push(Entry { name: name.to_owned(), kind }))?;
            Ok(entries)
        }

        /// The entries into `names` (cleared before), hidden ones left out, in no order.
        pub fn names(&self, names: &mut Names) -> io::Result<()> {
            names.clear();
            self.list(|name, kind| names.push(name.to_str(), kind))
        }

        #[cfg(any(target_os = "linux", target_os = "android"))]
        fn list(&self, mut found: impl FnMut(&OsStr, Kind)) -> io::Result<()> {
            let mut buffer = [MaybeUninit::uninit(); 8192];
            let mut listed = rustix::fs::RawDir::new(&self.fd, &mut buffer);
            while let Some(entry) = listed.next() {
                let entry = entry?;
                if let Some(kind) = self.kind(entry.file_name(), entry.file_type()) {
                    found(OsStr::from_bytes(entry.file_name().to_bytes()), kind);
                }
            }
            Ok(())
        }

        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        fn list(&self, mut found: impl FnMut(&OsStr, Kind)) -> io::Result<()> {
            for entry in rustix::fs::Dir::read_from(&self.fd)? {
                let entry = entry?;
                if let Some(kind) = self.kind(entry.file_name(), entry.file_type()) {
                    found(OsStr::from_bytes(entry.file_name().to_bytes()), kind);
                }
            }
            Ok(())
        }

        /// What an entry is; none for a hidden one, and one that went away.
        fn kind(&self, name: &CStr, file_type: FileType) -> Option<Kind> {
            if name.to_bytes().starts_with(b".") {
                return None;
            }
            match file_type {
                FileType::Unknown => match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => Some(kind(FileType::from_raw_mode(stat.st_mode))),
                    Err(Errno::NOENT) => None,
                    Err(_) => Some(Kind::Other),
                },
                known => Some(kind(known)),
            }
        }

        /// Reads the file `name` to the front of `buffer` (which only ever grows), at most `limit` bytes.
        pub fn read(&self, name: &str, buffer: &mut Vec<u8>, limit: usize) -> io::Result<Content> {
            let file = openat(&self.fd, name, FILE, Mode::empty()).map_err(|error| match error {
                Errno::LOOP => refused("a link is not read"),
                Errno::NXIO => refused("not a file"),
                other => other.into(),
            })?;
            // One byte more than may be kept: a short read says that this was all.
            let mut room = limit.saturating_add(1).min(FIRST_READ);
            let mut held = 0;
            let mut size = None;
            loop {
                if buffer.len() < room {
                    buffer.resize(room, 0);
                }
                let count =
                    retry_on_intr(|| read(&file, &mut buffer[held..room])).map_err(|error| match error {
                        Errno::ISDIR => refused("a directory, not a file"),
                        Errno::AGAIN => refused("not a file"),
                        other => other.into(),
                    })?;
                held += count;
                if held < room {
                    return Ok(Content { len: held, cut_from: None });
                }
                let size = match size {
                    Some(size) => size,
                    None => *size.insert(regular_size(&file)?),
                };
                if held > limit {
                    return Ok(Content { len: limit, cut_from: Some(size.max(held as u64)) });
                }
                let whole = usize::try_from(size).unwrap_or(usize::MAX);
                room = whole.max(held.saturating_mul(2)).min(limit).saturating_add(1);
            }
        }

        /// The stamp of `path` below this directory, the last link not followed.
        pub fn stamp(&self, path: &str) -> io::Result<Stamp> {
            Ok(stamp(&statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW)?))
        }

        /// Whether this machine's own clock stamps the files here.
        pub fn is_local(&self) -> bool {
            is_local(&self.fd)
        }
    }

    fn regular_size(file: &OwnedFd) -> io::Result<u64> {
        let stat = fstat(file)?;
        if kind(FileType::from_raw_mode(stat.st_mode)) != Kind::File {
            return Err(refused("not a file"));
        }
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    #[allow(clippy::allow_attributes, clippy::useless_conversion)] // field types differ between systems
    fn stamp(stat: &rustix::fs::Stat) -> Stamp {
        let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Stamp {
            times: (
                nanos(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
                nanos(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
            ),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            inode: stat.st_ino,
        }
    }

    /// By the numbers of `linux/magic.h`: ext, XFS, Btrfs, tmpfs, overlay, F2FS, ZFS.
    #[cfg(target_os = "linux")]
    fn is_local(fd: &OwnedFd) -> bool {
        const LOCAL: [i64; 7] =
            [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0xF2F5_2010, 0x2FC1_2FC1];
        rustix::fs::fstatfs(fd).is_ok_and(|about| LOCAL.contains(&about.f_type))
    }

    #[cfg(not(target_os = "linux"))]
    fn is_local(_: &OwnedFd) -> bool {
        false
    }

    fn kind(file_type: FileType) -> Kind {
        match file_type {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::ffi::OsStr;
    use std::fs::{self, File, Metadata};
    use std::io::{self, Read};
    use std::path::{Path, PathBuf};
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::{Content, Entry, Kind, Names, Stamp, refused};

    /// A directory by its path, where the system has no handles to open files below.
    #[derive(Debug)]
    pub struct Dir {
        path: PathBuf,
    }

    impl Dir {
        /// Opens `path`.
        pub fn open(path: &Path) -> io::Result<Self> {
            fs::read_dir(path)?;
            Ok(Self { path: path.to_owned() })
        }

        /// The directory `name` below this one; a link counts only where `follow` says so.
        pub fn child(&self, name: impl AsRef<OsStr>, follow: bool) -> io::Result<Self> {
            let path = self.path.join(name.as_ref());
            if !follow && fs::symlink_metadata(&path)?.is_symlink() {
                return Err(refused("a link is not read"));
            }
            Self::open(&path)
        }

        /// The entries, hidden ones left out, in no order.
        pub fn entries(&self) -> io::Result<Vec<Entry>> {
            let mut entries = Vec::new();
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                let name = entry.file_name();
                if name.as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let kind = match entry.file_type()? {
                    kind if kind.is_symlink() => Kind::Link,
                    kind if kind.is_dir() => Kind::Dir,
                    kind if kind.is_file() => Kind::File,
                    _ => Kind::Other,
                };
                entries.push(Entry { name, kind });
            }
            Ok(entries)
        }

        /// The entries into `names` (cleared before), hidden ones left out, in no order.
        pub fn names(&self, names: &mut Names) -> io::Result<()> {
            names.clear();
            for Entry { name, kind } in self.entries()? {
                names.push(name.to_str(), kind);
            }
            Ok(())
        }

        /// Reads the file `name` to the front of `buffer` (which is replaced), at most `limit` bytes.
        pub fn read(&self, name: &str, buffer: &mut Vec<u8>, limit: usize) -> io::Result<Content> {
            let path = self.path.join(name);
            let about = fs::symlink_metadata(&path)?;
            if !about.is_file() {
                return Err(refused("not a file"));
            }
            buffer.clear();
            File::open(&path)?.take(limit as u64).read_to_end(buffer)?;
            let cut_from = (about.len() > buffer.len() as u64).then_some(about.len());
            Ok(Content { len: buffer.len(), cut_from })
        }

        /// The stamp of `path` below this directory, the last link not followed.
        pub fn stamp(&self, path: &str) -> io::Result<Stamp> {
            Ok(stamp(&fs::symlink_metadata(self.path.join(path))?))
        }

        /// Whether this machine's own clock stamps the files here; not known.
        pub fn is_local(&self) -> bool {
            false
        }
    }

    fn stamp(about: &Metadata) -> Stamp {
        let nanos = |time: io::Result<SystemTime>| {
            let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        };
        Stamp { times: (nanos(about.modified()), nanos(about.created())), size: about.len(), inode: 0 }
    }
}
