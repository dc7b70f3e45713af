//! Where the bytes of an event file come from.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;

use super::EventFile;

/// The most that an archive may unpack to; what is beyond is not looked at.
const MAX_UNPACKED: u64 = 4 << 30;

/// Whether a file is a compressed archive of an event file.
pub(super) fn is_packed(file: &EventFile) -> bool {
    file.path.extension().is_some_and(|extension| extension == "gz")
}

/// What is read: a file, or an archive's content, which is no event file in use and so can be held in memory.
pub(super) enum Input {
    Plain(Plain),
    Unpacked(Cursor<Vec<u8>>),
}

/// An event file that has been opened.
pub(super) struct Opened {
    pub input: Input,
    /// How long it is.
    pub len: u64,
    /// Why an archive is not unpacked to its end.
    pub problem: Option<String>,
}

impl Input {
    /// Opens a file. A damaged archive gives what comes before the damage.
    pub fn open(file: &EventFile) -> io::Result<Opened> {
        let plain = File::open(&file.path)?;
        if !is_packed(file) {
            return Ok(Opened {
                input: Self::Plain(Plain { file: plain, at: 0 }),
                len: file.len,
                problem: None,
            });
        }
        let mut content = Vec::new();
        let problem = match MultiGzDecoder::new(plain).take(MAX_UNPACKED).read_to_end(&mut content) {
            Err(error) if content.is_empty() => return Err(error),
            Err(error) => Some(error.to_string()),
            Ok(_) if content.len() as u64 == MAX_UNPACKED => Some("unpacks to more than 4 GiB".to_owned()),
            Ok(_) => None,
        };
        let len = content.len() as u64;
        Ok(Opened { input: Self::Unpacked(Cursor::new(content)), len, problem })
    }
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buf),
            Self::Unpacked(content) => content.read(buf),
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Plain(file) => file.seek(to),
            Self::Unpacked(content) => content.seek(to),
        }
    }
}

/// A file that is read at places of its own: to move in it costs no system call.
pub(super) struct Plain {
    file: File,
    at: u64,
}

impl Read for Plain {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = read_at(&mut self.file, buf, self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

impl Seek for Plain {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => {
                self.at.checked_add_signed(by).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?
            }
            SeekFrom::End(_) => self.file.seek(to)?,
        };
        Ok(self.at)
    }
}

#[cfg(unix)]
fn read_at(file: &mut File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, at)
}

#[cfg(not(unix))]
fn read_at(file: &mut File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    file.read(buf)
}
