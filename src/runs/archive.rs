//! A run's sources as one `source.tar.gz`, top folder `source/`, as R writes and reads it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::write::create_beside;

/// What did not go into an archive, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// Packs files under their names below `source/`, in the order of the names, at most `max_bytes` in all. Links are not
/// followed. A file that can't be read is left out. The archive appears whole or not at all.
pub fn pack_source(archive: &Path, files: &[(String, PathBuf)], max_bytes: u64) -> io::Result<Vec<LeftOut>> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_unstable();
    files.dedup_by(|a, b| a.0 == b.0);
    let (temporary, file) = create_beside(archive)?;
    let written = write(file, &files, max_bytes).and_then(|left_out| {
        fs::rename(&temporary, archive)?;
        Ok(left_out)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write(file: File, files: &[&(String, PathBuf)], max_bytes: u64) -> io::Result<Vec<LeftOut>> {
    let mut archive = Builder::new(GzEncoder::new(io::BufWriter::new(file), Compression::default()));
    let mut left_out = Vec::new();
    let mut room = max_bytes;
    let mut folders = BTreeSet::new();
    folder(&mut archive, &mut folders, "source")?;
    for (name, path) in files {
        let (bytes, modified) = match read(path, room) {
            Ok(read) => read,
            Err(error) => {
                left_out.push(LeftOut { path: path.clone(), why: error.to_string() });
                continue;
            }
        };
        room -= bytes.len() as u64;
        let name = format!("source/{name}");
        for (end, _) in name.match_indices('/') {
            folder(&mut archive, &mut folders, &name[..end])?;
        }
        let mut header = header(EntryType::Regular, 0o644);
        header.set_size(bytes.len() as u64);
        header.set_mtime(modified);
        archive.append_data(&mut header, &name, bytes.as_slice())?;
    }
    archive.into_inner()?.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(left_out)
}

fn folder(archive: &mut Builder<impl io::Write>, made: &mut BTreeSet<String>, name: &str) -> io::Result<()> {
    if made.insert(name.to_owned()) {
        archive.append_data(&mut header(EntryType::Directory, 0o755), format!("{name}/"), io::empty())?;
    }
    Ok(())
}

fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(0);
    header
}

fn read(path: &Path, room: u64) -> io::Result<(Vec<u8>, u64)> {
    let about = fs::symlink_metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(room.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > room {
        return Err(io::Error::other("beyond the limit of the archive's size"));
    }
    let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok((bytes, modified.unwrap_or_default().as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_packed_below_source_and_what_is_too_big_is_named() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("train.py"), "x = 1\n").unwrap();
        fs::write(path("big.py"), vec![b'#'; 1000]).unwrap();
        let files = [
            ("train.py".to_owned(), path("train.py")),
            ("big.py".to_owned(), path("big.py")),
            ("pkg/sub/missing.py".to_owned(), path("missing.py")),
            ("pkg/a.py".to_owned(), path("train.py")),
        ];
        let left_out = pack_source(&path("source.tar.gz"), &files, 100).unwrap();
        assert_eq!(
            left_out.iter().map(|left| left.path.clone()).collect::<Vec<_>>(),
            [path("big.py"), path("missing.py")]
        );
        let unzipped = flate2::read::GzDecoder::new(File::open(path("source.tar.gz")).unwrap());
        let mut names = Vec::new();
        for entry in tar::Archive::new(unzipped).entries().unwrap() {
            names.push(entry.unwrap().path().unwrap().display().to_string());
        }
        assert_eq!(names, ["source/", "source/pkg/", "source/pkg/a.py", "source/train.py"]);
    }
}
