//! The border: what Python sees of the core.
//!
//! The list below is the whole surface; `python/tfruns_rs/_core.pyi` types it, and `stubtest` holds the two together.

#![allow(clippy::needless_pass_by_value)] // arguments come from Python as values of their own

mod arrow;
mod errors;
mod metrics_table;
mod numpy;
mod reader;
mod rows;
mod runs;
mod values;
mod writer;

use pyo3::prelude::*;

/// The compiled part of `tfruns_rs`.
#[pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::arrow::ArrowStream;
    #[pymodule_export]
    use crate::metrics_table::{BatchLog, batch_log_end, close_parquet};
    #[pymodule_export]
    use crate::reader::{EventFiles, EventListing, ReadReport, list_event_files, read_events};
    #[pymodule_export]
    use crate::runs::{
        Heartbeat, Snapshot, copy_files, copy_tree, forget_runs, judge_beat, move_tree, pack_source,
        read_run, read_run_metrics, run_files_opened, scan_runs, unique_run_dir, write_atomic,
    };
    #[pymodule_export]
    use crate::values::{
        decode_histo, decode_hparams, decode_non_finite, decode_png, decode_wav, encode_audio, encode_gif,
        encode_histo, encode_histogram, encode_hparams_end, encode_hparams_experiment,
        encode_hparams_session, encode_hparams_start, encode_image, encode_images, encode_layout,
        encode_mesh_content, encode_metadata, encode_pr_curve_content, encode_scalar, encode_strings,
        encode_tensor, encode_wav, summary_cell, to_png,
    };

    #[pymodule_export]
    use crate::rows::write_rows;
    #[pymodule_export]
    use crate::writer::EventWriter;
    #[pymodule_export]
    use crate::writer::life::{
        after_fork_in_child, after_fork_in_parent, before_fork, exit_writers, flush_writers,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
