"""Training runs and TensorBoard event files: local-first, backed by Rust, answered in Polars."""

from tfruns_rs._core import __version__ as __version__
from tfruns_rs.tfevents import EventWriter as EventWriter
from tfruns_rs.tfevents import as_event as as_event
from tfruns_rs.tfevents import flush as flush
from tfruns_rs.tfevents import get_default_logdir as get_default_logdir
from tfruns_rs.tfevents import get_global_step as get_global_step
from tfruns_rs.tfevents import local_logdir as local_logdir
from tfruns_rs.tfevents import log_event as log_event
from tfruns_rs.tfevents import set_default_logdir as set_default_logdir
from tfruns_rs.tfevents import set_global_step as set_global_step
from tfruns_rs.tfevents import summary_metadata as summary_metadata
from tfruns_rs.tfevents import summary_scalar as summary_scalar
from tfruns_rs.tfevents import summary_text as summary_text
from tfruns_rs.tfevents import with_logdir as with_logdir
