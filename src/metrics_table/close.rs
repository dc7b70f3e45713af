//! One Parquet file from the parts of a metrics table.
//!
//! Each part is a whole Parquet file, written behind the one before it. At the end they become one without a byte being
//! moved: one more footer names every row group where it stands.
//!
//! ```text
//! part 0:  PAR1 row groups footer PAR1
//! part 1:                              PAR1 row groups footer PAR1
//! footer:                                                          all row groups, length, PAR1
//! ```
//!
//! The footers of the parts stay where they are, a few kilobytes that no reader looks at.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use parquet::file::FOOTER_SIZE;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, FooterTail, KeyValue, ParquetMetaData, ParquetMetaDataReader,
    ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::writer::TrackedWrite;
use thiserror::Error;

/// Why parts did not become one file. None is worth another try without a change.
#[derive(Debug, Error)]
pub enum CloseError {
    /// There is nothing to close.
    #[error("{}: a metrics table needs at least one part", path.display())]
    NoParts {
        /// The file.
        path: PathBuf,
    },
    /// A part's columns differ from those of the first.
    #[error("{}: the columns of part {part} differ from those of the first", path.display())]
    SchemaDiffers {
        /// The file.
        path: PathBuf,
        /// The number of the part, from 0.
        part: usize,
    },
    /// A part is no Parquet file, or the footer could not be made.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the Parquet library says.
        source: ParquetError,
    },
    /// The file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Makes the parts that stand in the file at `path`, and end at the offsets `ends`, one Parquet file.
///
/// What stands behind the last part is cut off. `entries` are added to the key-value metadata of the first part and
/// replace what has the same key. Returns the size of the file in bytes.
pub fn close(path: &Path, ends: &[u64], entries: &[(String, String)]) -> Result<u64, CloseError> {
    let in_file = |source| CloseError::Io { path: path.to_owned(), source };
    let in_parquet = |source| CloseError::Parquet { path: path.to_owned(), source };
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(in_file)?;
    let mut merged: Option<FileMetaData> = None;
    let mut groups = Vec::new();
    let mut start = 0;
    for (part, &end) in ends.iter().enumerate() {
        let metadata = footer(&mut file, start, end).map_err(in_parquet)?;
        let first = merged.get_or_insert_with(|| metadata.file_metadata().clone());
        if first.schema() != metadata.file_metadata().schema() {
            return Err(CloseError::SchemaDiffers { path: path.to_owned(), part });
        }
        for group in metadata.row_groups() {
            groups.push(moved(group, start.cast_signed(), groups.len()).map_err(in_parquet)?);
        }
        start = end;
    }
    let first = merged.ok_or_else(|| CloseError::NoParts { path: path.to_owned() })?;
    let mut footer = Vec::new();
    let metadata = ParquetMetaData::new(described(&first, &groups, entries), groups);
    ParquetMetaDataWriter::new_with_tracked(TrackedWrite::new(&mut footer), &metadata)
        .finish()
        .map_err(in_parquet)?;
    file.set_len(start).map_err(in_file)?;
    file.seek(SeekFrom::Start(start)).map_err(in_file)?;
    file.write_all(&footer).map_err(in_file)?;
    Ok(start + footer.len() as u64)
}

/// The footer of the part that stands from `start` to `end`.
fn footer(file: &mut File, start: u64, end: u64) -> Result<ParquetMetaData, ParquetError> {
    let cut = || ParquetError::EOF(format!("no part from byte {start} to {end}"));
    let tail = end.checked_sub(FOOTER_SIZE as u64).filter(|&tail| tail >= start).ok_or_else(cut)?;
    let mut bytes = [0; FOOTER_SIZE];
    file.seek(SeekFrom::Start(tail))?;
    file.read_exact(&mut bytes)?;
    let length = FooterTail::try_from(bytes)?.metadata_length();
    let place = tail.checked_sub(length as u64).filter(|&place| place >= start).ok_or_else(cut)?;
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(place))?;
    file.read_exact(&mut bytes)?;
    ParquetMetaDataReader::decode_metadata(&bytes)
}

/// The file's own facts: those of the first part, all rows, and the entries.
fn described(
    first: &FileMetaData,
    groups: &[RowGroupMetaData],
    entries: &[(String, String)],
) -> FileMetaData {
    let mut pairs = first.key_value_metadata().cloned().unwrap_or_default();
    pairs.retain(|pair| entries.iter().all(|(key, _)| *key != pair.key));
    pairs.extend(entries.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
    FileMetaData::new(
        first.version(),
        groups.iter().map(RowGroupMetaData::num_rows).sum(),
        first.created_by().map(str::to_owned),
        Some(pairs),
        first.schema_descr_ptr(),
        first.column_orders().cloned(),
    )
}

/// A row group as it is found `offset` bytes further on.
fn moved(group: &RowGroupMetaData, offset: i64, ordinal: usize) -> Result<RowGroupMetaData, ParquetError> {
    let columns =
        group.columns().iter().map(|column| moved_column(column, offset)).collect::<Result<_, _>>()?;
    let mut builder = group.clone().into_builder().set_column_metadata(columns);
    if let Some(place) = group.file_offset() {
        builder = builder.set_file_offset(place + offset);
    }
    if let (Some(_), Ok(ordinal)) = (group.ordinal(), i16::try_from(ordinal)) {
        builder = builder.set_ordinal(ordinal);
    }
    builder.build()
}

fn moved_column(column: &ColumnChunkMetaData, offset: i64) -> Result<ColumnChunkMetaData, ParquetError> {
    let further = |place: Option<i64>| place.map(|place| place + offset);
    column
        .clone()
        .into_builder()
        .set_data_page_offset(column.data_page_offset() + offset)
        .set_dictionary_page_offset(further(column.dictionary_page_offset()))
        .set_index_page_offset(further(column.index_page_offset()))
        .set_bloom_filter_offset(further(column.bloom_filter_offset()))
        .set_column_index_offset(further(column.column_index_offset()))
        .set_offset_index_offset(further(column.offset_index_offset()))
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::ColumnOrder;
    use parquet::data_type::Int64Type;
    use parquet::file::properties::WriterProperties;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::record::RowAccessor;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// Writes a part behind what the file holds; its end.
    fn part(path: &Path, column: &str, groups: &[&[i64]]) -> u64 {
        let schema = parse_message_type(&format!("message table {{ required int64 {column}; }}")).unwrap();
        let properties = Arc::new(WriterProperties::builder().build());
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), properties).unwrap();
        for values in groups {
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(values, None, None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        writer.close().unwrap();
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(&bytes).unwrap();
        file.metadata().unwrap().len()
    }

    #[test]
    fn rows_stand_in_order_and_entries_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all");
        let ends =
            [part(&path, "x", &[&[1, 2], &[3]]), part(&path, "x", &[&[4, 5, 6]]), part(&path, "x", &[&[7]])];
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"a part that was never whole").unwrap();
        for _again in 0..2 {
            let size = close(&path, &ends, &[("table".to_owned(), "{}".to_owned())]).unwrap();
            assert_eq!(size, path.metadata().unwrap().len());

            let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
            let rows: Vec<i64> =
                reader.get_row_iter(None).unwrap().map(|row| row.unwrap().get_long(0).unwrap()).collect();
            assert_eq!(rows, [1, 2, 3, 4, 5, 6, 7]);
            assert_eq!(reader.metadata().file_metadata().num_rows(), 7);
            assert_eq!(reader.metadata().num_row_groups(), 4);
            let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
            assert!(pairs.contains(&KeyValue::new("table".to_owned(), "{}".to_owned())));
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all");
        let ends = [part(&path, "x", &[&[1]]), part(&path, "y", &[&[2]])];
        let error = close(&path, &ends, &[]).unwrap_err();
        assert!(matches!(error, CloseError::SchemaDiffers { part: 1, .. }));
        for ends in [&[ends[0] - 1][..], &[ends[0], ends[0] + 4], &[ends[1] + 1], &[ends[1], ends[0]]] {
            assert!(matches!(close(&path, ends, &[]).unwrap_err(), CloseError::Parquet { .. }));
        }
        assert!(matches!(close(&path, &[], &[]), Err(CloseError::NoParts { .. })));
    }

    #[test]
    fn a_length_that_the_part_does_not_hold_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all");
        std::fs::write(&path, b"PAR1\xff\xff\xff\x7fPAR1").unwrap();
        assert!(matches!(close(&path, &[12], &[]).unwrap_err(), CloseError::Parquet { .. }));
    }

    /// Readers from before the total order of floats refuse a footer that names it.
    #[test]
    fn floats_stay_in_the_order_that_all_readers_know() {
        let dir = tempfile::tempdir().unwrap();
        let schema = parse_message_type("message table { required double x; }").unwrap();
        let properties = Arc::new(WriterProperties::builder().build());
        let path = dir.path().join("all");
        SerializedFileWriter::new(File::create(&path).unwrap(), Arc::new(schema), properties)
            .unwrap()
            .close()
            .unwrap();
        close(&path, &[path.metadata().unwrap().len()], &[]).unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let order = reader.metadata().file_metadata().column_order(0);
        assert!(matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_)), "{order:?}");
    }
}
