"""Event files: making values (`summary_*`, `as_event`), logging them, reading them back."""

from tfruns_rs._core import EventWriter as EventWriter
from tfruns_rs.tfevents._audio import summary_audio as summary_audio
from tfruns_rs.tfevents._events import Event as Event
from tfruns_rs.tfevents._events import as_event as as_event
from tfruns_rs.tfevents._histogram import summary_histogram as summary_histogram
from tfruns_rs.tfevents._image import summary_image as summary_image
from tfruns_rs.tfevents._lifecycle import flush as flush
from tfruns_rs.tfevents._log import log_event as log_event
from tfruns_rs.tfevents._logdir import get_default_logdir as get_default_logdir
from tfruns_rs.tfevents._logdir import local_logdir as local_logdir
from tfruns_rs.tfevents._logdir import set_default_logdir as set_default_logdir
from tfruns_rs.tfevents._logdir import with_logdir as with_logdir
from tfruns_rs.tfevents._metadata import SummaryMetadata as SummaryMetadata
from tfruns_rs.tfevents._metadata import summary_metadata as summary_metadata
from tfruns_rs.tfevents._read import collect_events as collect_events
from tfruns_rs.tfevents._scalar import summary_scalar as summary_scalar
from tfruns_rs.tfevents._scan import scan_events as scan_events
from tfruns_rs.tfevents._steps import get_global_step as get_global_step
from tfruns_rs.tfevents._steps import set_global_step as set_global_step
from tfruns_rs.tfevents._summary import Summary as Summary
from tfruns_rs.tfevents._tensor import summary_tensor as summary_tensor
from tfruns_rs.tfevents._text import summary_text as summary_text
from tfruns_rs.tfevents._verify import repair_events as repair_events
from tfruns_rs.tfevents._verify import verify_events as verify_events
from tfruns_rs.tfevents._write import write_events as write_events
