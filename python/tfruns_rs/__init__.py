"""Training runs and TensorBoard event files: local-first, backed by Rust, answered in Polars."""

from tfruns_rs._core import __version__ as __version__
