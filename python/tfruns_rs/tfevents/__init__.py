"""Event files: making values (`summary_*`, `as_event`), logging them, reading them back."""

from tfruns_rs.tfevents._events import Event as Event
from tfruns_rs.tfevents._events import as_event as as_event
from tfruns_rs.tfevents._metadata import SummaryMetadata as SummaryMetadata
from tfruns_rs.tfevents._metadata import summary_metadata as summary_metadata
from tfruns_rs.tfevents._scalar import summary_scalar as summary_scalar
from tfruns_rs.tfevents._summary import Summary as Summary
from tfruns_rs.tfevents._text import summary_text as summary_text
