//! A directory held open: names are listed, and files opened, below the handle, without following links.
//!
//! What lies in a run directory is untrusted. A link, a device or a pipe under a known name is refused instead of
//! opened, so a hostile run can neither point a listing at other files nor make it wait.

use std::ffi::OsString;
use std::io;

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

/// Content read up to a limit.
#[derive(Debug)]
pub struct Content {
    /// The whole file's size, when it holds more than was read.
    pub cut_from: Option<u64>,
}

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

    use super::{Content, Entry, Kind, Stamp, refused};

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
        #[cfg(any(target_os = "linux", target_os = "android"))]
        pub fn entries(&self) -> io::Result<Vec<Entry>> {
            let mut entries = Vec::with_capacity(32);
            let mut buffer = [MaybeUninit::uninit(); 8192];
            rustix::fs::seek(&self.fd, rustix::fs::SeekFrom::Start(0))?;
            let mut listed = rustix::fs::RawDir::new(&self.fd, &mut buffer);
            while let Some(entry) = listed.next() {
                let entry = entry?;
                entries.extend(self.entry(entry.file_name(), entry.file_type()));
            }
            Ok(entries)
        }

        /// The entries, hidden ones left out, in no order.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        pub fn entries(&self) -> io::Result<Vec<Entry>> {
            let mut entries = Vec::new();
            for entry in rustix::fs::Dir::read_from(&self.fd)? {
                let entry = entry?;
                entries.extend(self.entry(entry.file_name(), entry.file_type()));
            }
            Ok(entries)
        }

        fn entry(&self, name: &CStr, file_type: FileType) -> Option<Entry> {
            if name.to_bytes().starts_with(b".") {
                return None;
            }
            let kind = match file_type {
                FileType::Unknown => match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => kind(FileType::from_raw_mode(stat.st_mode)),
                    Err(Errno::NOENT) => return None,
                    Err(_) => Kind::Other,
                },
                known => kind(known),
            };
            Some(Entry { name: OsStr::from_bytes(name.to_bytes()).to_owned(), kind })
        }

        /// Reads the file `name` into `buffer` (cleared before), at most `limit` bytes.
        pub fn read(&self, name: &str, buffer: &mut Vec<u8>, limit: usize) -> io::Result<Content> {
            let file = openat(&self.fd, name, FILE, Mode::empty()).map_err(|error| match error {
                Errno::LOOP => refused("a link is not read"),
                Errno::NXIO => refused("not a file"),
                other => other.into(),
            })?;
            let mut first = [0_u8; 4096];
            let count = retry_on_intr(|| read(&file, &mut first)).map_err(|error| match error {
                Errno::ISDIR => refused("a directory, not a file"),
                Errno::AGAIN => refused("not a file"),
                other => other.into(),
            })?;
            buffer.clear();
            buffer.extend_from_slice(&first[..count.min(limit)]);
            if count < first.len() && count <= limit {
                return Ok(Content { cut_from: None });
            }
            let stat = fstat(&file)?;
            if kind(FileType::from_raw_mode(stat.st_mode)) != Kind::File {
                return Err(refused("not a file"));
            }
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            // Room for one byte more than the file holds: a short read says that this was all.
            let mut room = usize::try_from(size).unwrap_or(limit).saturating_add(1);
            while buffer.len() < limit {
                let held = buffer.len();
                room = room.max(held.saturating_mul(2));
                buffer.resize(limit.min(room), 0);
                let count = retry_on_intr(|| read(&file, &mut buffer[held..]))?;
                let is_end = held + count < buffer.len();
                buffer.truncate(held + count);
                if is_end {
                    break;
                }
            }
            let whole = size.max(u64::try_from(count).unwrap_or(0));
            Ok(Content { cut_from: (whole > buffer.len() as u64).then_some(whole) })
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

    use super::{Content, Entry, Kind, Stamp, refused};

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

        /// Reads the file `name` into `buffer` (cleared before), at most `limit` bytes.
        pub fn read(&self, name: &str, buffer: &mut Vec<u8>, limit: usize) -> io::Result<Content> {
            let path = self.path.join(name);
            let about = fs::symlink_metadata(&path)?;
            if !about.is_file() {
                return Err(refused("not a file"));
            }
            buffer.clear();
            File::open(&path)?.take(limit as u64).read_to_end(buffer)?;
            Ok(Content { cut_from: (about.len() > buffer.len() as u64).then_some(about.len()) })
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
