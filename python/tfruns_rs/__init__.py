"""Training runs and TensorBoard event files: local-first, backed by Rust, answered in Polars."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfruns_rs._core import __version__ as __version__
from tfruns_rs.tfevents import EventWriter as EventWriter
from tfruns_rs.tfevents import as_event as as_event
from tfruns_rs.tfevents import collect_events as collect_events
from tfruns_rs.tfevents import collect_hparams as collect_hparams
from tfruns_rs.tfevents import events_logdir as events_logdir
from tfruns_rs.tfevents import flush as flush
from tfruns_rs.tfevents import follow as follow
from tfruns_rs.tfevents import get_default_logdir as get_default_logdir
from tfruns_rs.tfevents import get_global_step as get_global_step
from tfruns_rs.tfevents import hparams_hparam as hparams_hparam
from tfruns_rs.tfevents import hparams_metric as hparams_metric
from tfruns_rs.tfevents import local_logdir as local_logdir
from tfruns_rs.tfevents import log_custom_scalars as log_custom_scalars
from tfruns_rs.tfevents import log_embedding as log_embedding
from tfruns_rs.tfevents import log_event as log_event
from tfruns_rs.tfevents import log_graph as log_graph
from tfruns_rs.tfevents import log_hparams as log_hparams
from tfruns_rs.tfevents import log_hparams_config as log_hparams_config
from tfruns_rs.tfevents import log_hparams_end as log_hparams_end
from tfruns_rs.tfevents import repair_events as repair_events
from tfruns_rs.tfevents import scan_events as scan_events
from tfruns_rs.tfevents import set_default_logdir as set_default_logdir
from tfruns_rs.tfevents import set_global_step as set_global_step
from tfruns_rs.tfevents import summary_audio as summary_audio
from tfruns_rs.tfevents import summary_custom_scalars as summary_custom_scalars
from tfruns_rs.tfevents import summary_graph as summary_graph
from tfruns_rs.tfevents import summary_histogram as summary_histogram
from tfruns_rs.tfevents import summary_hparams as summary_hparams
from tfruns_rs.tfevents import summary_hparams_config as summary_hparams_config
from tfruns_rs.tfevents import summary_hparams_end as summary_hparams_end
from tfruns_rs.tfevents import summary_image as summary_image
from tfruns_rs.tfevents import summary_mesh as summary_mesh
from tfruns_rs.tfevents import summary_metadata as summary_metadata
from tfruns_rs.tfevents import summary_pr_curve as summary_pr_curve
from tfruns_rs.tfevents import summary_run_metadata as summary_run_metadata
from tfruns_rs.tfevents import summary_scalar as summary_scalar
from tfruns_rs.tfevents import summary_tensor as summary_tensor
from tfruns_rs.tfevents import summary_text as summary_text
from tfruns_rs.tfevents import summary_video as summary_video
from tfruns_rs.tfevents import value as value
from tfruns_rs.tfevents import verify_events as verify_events
from tfruns_rs.tfevents import with_logdir as with_logdir
from tfruns_rs.tfevents import write_events as write_events
from tfruns_rs.tfruns import Flags as Flags
from tfruns_rs.tfruns import RunInfo as RunInfo
from tfruns_rs.tfruns import as_run_dir as as_run_dir
from tfruns_rs.tfruns import clean_runs as clean_runs
from tfruns_rs.tfruns import copy_run as copy_run
from tfruns_rs.tfruns import copy_run_files as copy_run_files
from tfruns_rs.tfruns import flag_boolean as flag_boolean
from tfruns_rs.tfruns import flag_integer as flag_integer
from tfruns_rs.tfruns import flag_numeric as flag_numeric
from tfruns_rs.tfruns import flag_string as flag_string
from tfruns_rs.tfruns import flags as flags
from tfruns_rs.tfruns import is_run_active as is_run_active
from tfruns_rs.tfruns import latest_run as latest_run
from tfruns_rs.tfruns import ls_runs as ls_runs
from tfruns_rs.tfruns import option_context as option_context
from tfruns_rs.tfruns import options as options
from tfruns_rs.tfruns import purge_runs as purge_runs
from tfruns_rs.tfruns import restore_runs as restore_runs
from tfruns_rs.tfruns import run_dir as run_dir
from tfruns_rs.tfruns import run_info as run_info
from tfruns_rs.tfruns import scan_metrics as scan_metrics
from tfruns_rs.tfruns import scan_runs as scan_runs
from tfruns_rs.tfruns import training_run as training_run
from tfruns_rs.tfruns import unique_run_dir as unique_run_dir
from tfruns_rs.tfruns import write_run_data as write_run_data
from tfruns_rs.tfruns import write_run_metadata as write_run_metadata

if TYPE_CHECKING:
    from tfruns_rs.tracking import Artifact as Artifact
    from tfruns_rs.tracking import Run as Run
    from tfruns_rs.tracking import active_run as active_run
    from tfruns_rs.tracking import create_artifact as create_artifact
    from tfruns_rs.tracking import create_run as create_run
    from tfruns_rs.tracking import init as init
    from tfruns_rs.tracking import lineage as lineage
    from tfruns_rs.tracking import load_artifact as load_artifact
    from tfruns_rs.tracking import load_run as load_run
    from tfruns_rs.tracking import login as login
    from tfruns_rs.tracking import logout as logout
    from tfruns_rs.tracking import mermaid as mermaid
    from tfruns_rs.tracking import upload as upload
    from tfruns_rs.tracking._url import Url as Url
    from tfruns_rs.tracking.tables import ColumnSchema as ColumnSchema
    from tfruns_rs.tracking.tables import MetricsTable as MetricsTable
    from tfruns_rs.tracking.tables import MetricsTableWriter as MetricsTableWriter
    from tfruns_rs.tracking.tables import collect_metrics as collect_metrics
    from tfruns_rs.tracking.tables import compare_examples as compare_examples
    from tfruns_rs.tracking.tables import recover_tables as recover_tables
    from tfruns_rs.views import compare_runs as compare_runs
    from tfruns_rs.views import save_run_comparison as save_run_comparison
    from tfruns_rs.views import save_run_view as save_run_view
    from tfruns_rs.views import update_run_metrics as update_run_metrics
    from tfruns_rs.views import view_run as view_run
    from tfruns_rs.views import view_run_metrics as view_run_metrics

_LATER = {
    "tfruns_rs.tracking": (
        "Artifact",
        "Run",
        "active_run",
        "create_artifact",
        "create_run",
        "init",
        "lineage",
        "load_artifact",
        "load_run",
        "login",
        "logout",
        "mermaid",
        "upload",
    ),
    "tfruns_rs.tracking._url": ("Url",),
    "tfruns_rs.tracking.tables": (
        "ColumnSchema",
        "MetricsTable",
        "MetricsTableWriter",
        "collect_metrics",
        "compare_examples",
        "recover_tables",
    ),
    "tfruns_rs.views": (
        "compare_runs",
        "save_run_comparison",
        "save_run_view",
        "update_run_metrics",
        "view_run",
        "view_run_metrics",
    ),
}
"""What a script that only logs does not need: imported when it is asked for."""


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            value = globals()[name] = getattr(import_module(module), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
