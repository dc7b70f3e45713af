//! Copies of event files without what is damaged in them.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::EventFile;
use super::input::{Input, is_packed};

/// Copies the first `end` bytes of a file to `target`, which must not exist, but for what is `lost`: offsets and lengths,
/// in order. The copy of a compressed archive is one.
pub fn copy_whole(file: &EventFile, target: &Path, lost: &[(u64, u64)], end: u64) -> io::Result<()> {
    let input = if end > 0 { Some(Input::open(file)?.input) } else { None };
    let target = File::create_new(target)?;
    if is_packed(file) {
        let mut packed = GzEncoder::new(target, Compression::default());
        copy_parts(input, &mut packed, lost, end)?;
        packed.finish()?;
    } else {
        let mut plain = BufWriter::new(target);
        copy_parts(input, &mut plain, lost, end)?;
        plain.flush()?;
    }
    Ok(())
}

fn copy_parts(input: Option<Input>, copy: &mut dyn Write, lost: &[(u64, u64)], end: u64) -> io::Result<()> {
    let Some(mut input) = input else { return Ok(()) };
    let mut start = 0;
    for &(offset, bytes) in lost.iter().chain(&[(end, 0)]) {
        input.seek(SeekFrom::Start(start))?;
        io::copy(&mut input.by_ref().take(offset.min(end).saturating_sub(start)), copy)?;
        start = offset.saturating_add(bytes);
    }
    Ok(())
}
