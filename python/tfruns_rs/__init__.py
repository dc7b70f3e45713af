"""Training runs and TensorBoard event files: local-first, backed by Rust, answered in Polars."""

from tfruns_rs._core import __version__ as __version__
from tfruns_rs.tfevents import as_event as as_event
from tfruns_rs.tfevents import summary_metadata as summary_metadata
from tfruns_rs.tfevents import summary_scalar as summary_scalar
from tfruns_rs.tfevents import summary_text as summary_text
