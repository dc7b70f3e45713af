//! One Parquet file from the parts of a metrics table.
//!
//! A metrics table is written while a model trains, a part at a time, so that memory stays bounded and a killed process
//! loses nothing. Each part is a whole Parquet file. At the end they become one without decoding a value: their bytes
//! stand one behind the other, and one footer at the end names every row group at its new place.
//!
//! ```text
//! part 0:  PAR1 row groups footer PAR1
//! part 1:                              PAR1 row groups footer PAR1
//! footer:                                                          all row groups, length, PAR1
//! ```
//!
//! The footers of the parts stay where they are, a few kilobytes that no reader looks at.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader,
    ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::writer::TrackedWrite;
use thiserror::Error;

/// Why parts did not become one file. None is worth another try without a change.
#[derive(Debug, Error)]
pub enum ConcatError {
    /// There is nothing to concatenate.
    #[error("a metrics table needs at least one part")]
    NoParts,
    /// A part's columns differ from those of the first.
    #[error("{}: the columns differ from those of the first part", path.display())]
    SchemaDiffers {
        /// The part.
        path: PathBuf,
    },
    /// A part is no Parquet file, or the footer could not be made.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the Parquet library says.
        source: ParquetError,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Writes the row groups of all `parts`, in order, as one Parquet file.
///
/// `entries` are added to the key-value metadata of the first part and replace what has the same key. The target is
/// overwritten; on an error it is left as far as it came. Returns the size of the file in bytes.
pub fn concat(parts: &[PathBuf], target: &Path, entries: &[(String, String)]) -> Result<u64, ConcatError> {
    let mut output = File::create(target).map_err(in_file(target))?;
    let mut merged: Option<FileMetaData> = None;
    let mut groups = Vec::new();
    let mut offset = 0;
    for path in parts {
        let mut part = File::open(path).map_err(in_file(path))?;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&part).map_err(in_parquet(path))?;
        let first = merged.get_or_insert_with(|| metadata.file_metadata().clone());
        if first.schema() != metadata.file_metadata().schema() {
            return Err(ConcatError::SchemaDiffers { path: path.clone() });
        }
        for group in metadata.row_groups() {
            groups.push(moved(group, offset, groups.len()).map_err(in_parquet(path))?);
        }
        io::Seek::rewind(&mut part).map_err(in_file(path))?;
        // File to file, so that the kernel copies, or shares the blocks where the file system can.
        offset += io::copy(&mut part, &mut output).map_err(in_file(target))?.cast_signed();
    }
    let first = merged.ok_or(ConcatError::NoParts)?;
    let mut footer = Vec::new();
    let metadata = ParquetMetaData::new(described(&first, &groups, entries), groups);
    ParquetMetaDataWriter::new_with_tracked(TrackedWrite::new(&mut footer), &metadata)
        .finish()
        .map_err(in_parquet(target))?;
    output.write_all(&footer).map_err(in_file(target))?;
    Ok(offset.cast_unsigned() + footer.len() as u64)
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

fn in_file(path: &Path) -> impl Fn(io::Error) -> ConcatError {
    move |source| ConcatError::Io { path: path.to_owned(), source }
}

fn in_parquet(path: &Path) -> impl Fn(ParquetError) -> ConcatError {
    move |source| ConcatError::Parquet { path: path.to_owned(), source }
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

    fn part(path: &Path, column: &str, groups: &[&[i64]]) -> PathBuf {
        let schema = parse_message_type(&format!("message table {{ required int64 {column}; }}")).unwrap();
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer =
            SerializedFileWriter::new(File::create(path).unwrap(), Arc::new(schema), properties).unwrap();
        for values in groups {
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(values, None, None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        writer.close().unwrap();
        path.to_owned()
    }

    #[test]
    fn rows_stand_in_order_and_entries_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let parts = [
            part(&at("0"), "x", &[&[1, 2], &[3]]),
            part(&at("1"), "x", &[&[4, 5, 6]]),
            part(&at("2"), "x", &[&[7]]),
        ];
        let target = at("all");
        let size = concat(&parts, &target, &[("table".to_owned(), "{}".to_owned())]).unwrap();
        assert_eq!(size, target.metadata().unwrap().len());

        let reader = SerializedFileReader::new(File::open(&target).unwrap()).unwrap();
        let rows: Vec<i64> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().get_long(0).unwrap()).collect();
        assert_eq!(rows, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(reader.metadata().file_metadata().num_rows(), 7);
        assert_eq!(reader.metadata().num_row_groups(), 4);
        let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(pairs.contains(&KeyValue::new("table".to_owned(), "{}".to_owned())));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let parts = [part(&at("0"), "x", &[&[1]]), part(&at("1"), "y", &[&[2]])];
        let error = concat(&parts, &at("all"), &[]).unwrap_err();
        assert!(matches!(error, ConcatError::SchemaDiffers { path } if path == parts[1]));

        std::fs::write(at("2"), b"PAR1 no footer").unwrap();
        let error = concat(&[at("2")], &at("all"), &[]).unwrap_err();
        assert!(matches!(error, ConcatError::Parquet { .. }));
        assert!(matches!(concat(&[], &at("all"), &[]), Err(ConcatError::NoParts)));
    }

    /// Readers from before the total order of floats refuse a footer that names it.
    #[test]
    fn floats_stay_in_the_order_that_all_readers_know() {
        let dir = tempfile::tempdir().unwrap();
        let schema = parse_message_type("message table { required double x; }").unwrap();
        let properties = Arc::new(WriterProperties::builder().build());
        let part = dir.path().join("0");
        SerializedFileWriter::new(File::create(&part).unwrap(), Arc::new(schema), properties)
            .unwrap()
            .close()
            .unwrap();
        let target = dir.path().join("all");
        concat(&[part], &target, &[]).unwrap();
        let reader = SerializedFileReader::new(File::open(&target).unwrap()).unwrap();
        let order = reader.metadata().file_metadata().column_order(0);
        assert!(matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_)), "{order:?}");
    }
}
