"""Training runs and TensorBoard event files: local-first, backed by Rust, answered in Polars.

A name is imported from its module when it is first used, so that a script that only logs pays for nothing
else.
"""

from tfruns_rs._core import __version__ as __version__
from tfruns_rs.tfevents._lifecycle import flush as flush  # and the hooks of forks and exit
from tfruns_rs.tfevents._lifecycle import flush_on_sigterm as flush_on_sigterm

TYPE_CHECKING = False  # what `typing` calls so; importing that costs more than this file
if TYPE_CHECKING:
    from tfruns_rs import errors as errors
    from tfruns_rs import keras as keras
    from tfruns_rs import lightgbm as lightgbm
    from tfruns_rs import lightning as lightning
    from tfruns_rs import sklearn as sklearn
    from tfruns_rs import tensorboardx as tensorboardx
    from tfruns_rs import torch as torch
    from tfruns_rs import transformers as transformers
    from tfruns_rs import xgboost as xgboost
    from tfruns_rs._core import EventWriter as EventWriter
    from tfruns_rs.importers._import_runs import collect_foreign_events as collect_foreign_events
    from tfruns_rs.importers._import_runs import import_runs as import_runs
    from tfruns_rs.importers._import_runs import ls_foreign_runs as ls_foreign_runs
    from tfruns_rs.tfevents._audio import summary_audio as summary_audio
    from tfruns_rs.tfevents._custom_scalars import log_custom_scalars as log_custom_scalars
    from tfruns_rs.tfevents._custom_scalars import summary_custom_scalars as summary_custom_scalars
    from tfruns_rs.tfevents._events import as_event as as_event
    from tfruns_rs.tfevents._follow import events_logdir as events_logdir
    from tfruns_rs.tfevents._follow import follow as follow
    from tfruns_rs.tfevents._graph import log_graph as log_graph
    from tfruns_rs.tfevents._graph import summary_graph as summary_graph
    from tfruns_rs.tfevents._graph import summary_run_metadata as summary_run_metadata
    from tfruns_rs.tfevents._histogram import summary_histogram as summary_histogram
    from tfruns_rs.tfevents._hparams import hparams_hparam as hparams_hparam
    from tfruns_rs.tfevents._hparams import hparams_metric as hparams_metric
    from tfruns_rs.tfevents._hparams import log_hparams as log_hparams
    from tfruns_rs.tfevents._hparams import log_hparams_config as log_hparams_config
    from tfruns_rs.tfevents._hparams import log_hparams_end as log_hparams_end
    from tfruns_rs.tfevents._hparams import summary_hparams as summary_hparams
    from tfruns_rs.tfevents._hparams import summary_hparams_config as summary_hparams_config
    from tfruns_rs.tfevents._hparams import summary_hparams_end as summary_hparams_end
    from tfruns_rs.tfevents._image import summary_image as summary_image
    from tfruns_rs.tfevents._log import log_event as log_event
    from tfruns_rs.tfevents._logdir import get_default_logdir as get_default_logdir
    from tfruns_rs.tfevents._logdir import local_logdir as local_logdir
    from tfruns_rs.tfevents._logdir import set_default_logdir as set_default_logdir
    from tfruns_rs.tfevents._logdir import with_logdir as with_logdir
    from tfruns_rs.tfevents._mesh import summary_mesh as summary_mesh
    from tfruns_rs.tfevents._metadata import summary_metadata as summary_metadata
    from tfruns_rs.tfevents._pr_curve import summary_pr_curve as summary_pr_curve
    from tfruns_rs.tfevents._projector import log_embedding as log_embedding
    from tfruns_rs.tfevents._read import collect_events as collect_events
    from tfruns_rs.tfevents._scalar import summary_scalar as summary_scalar
    from tfruns_rs.tfevents._scan import scan_events as scan_events
    from tfruns_rs.tfevents._sessions import collect_hparams as collect_hparams
    from tfruns_rs.tfevents._steps import get_global_step as get_global_step
    from tfruns_rs.tfevents._steps import set_global_step as set_global_step
    from tfruns_rs.tfevents._tensor import summary_tensor as summary_tensor
    from tfruns_rs.tfevents._text import summary_text as summary_text
    from tfruns_rs.tfevents._value import value as value
    from tfruns_rs.tfevents._verify import repair_events as repair_events
    from tfruns_rs.tfevents._verify import verify_events as verify_events
    from tfruns_rs.tfevents._video import summary_video as summary_video
    from tfruns_rs.tfevents._write import write_events as write_events
    from tfruns_rs.tfruns._clean_runs import clean_runs as clean_runs
    from tfruns_rs.tfruns._clean_runs import purge_runs as purge_runs
    from tfruns_rs.tfruns._clean_runs import restore_runs as restore_runs
    from tfruns_rs.tfruns._copy_run import copy_run as copy_run
    from tfruns_rs.tfruns._copy_run import copy_run_files as copy_run_files
    from tfruns_rs.tfruns._diff_runs import diff_runs as diff_runs
    from tfruns_rs.tfruns._diff_runs import diff_sources as diff_sources
    from tfruns_rs.tfruns._disk_usage import disk_usage as disk_usage
    from tfruns_rs.tfruns._flag import flag_boolean as flag_boolean
    from tfruns_rs.tfruns._flag import flag_integer as flag_integer
    from tfruns_rs.tfruns._flag import flag_numeric as flag_numeric
    from tfruns_rs.tfruns._flag import flag_string as flag_string
    from tfruns_rs.tfruns._flags import Flags as Flags
    from tfruns_rs.tfruns._flags import flags as flags
    from tfruns_rs.tfruns._gc_runs import gc_runs as gc_runs
    from tfruns_rs.tfruns._ls_runs import ls_runs as ls_runs
    from tfruns_rs.tfruns._options import option_context as option_context
    from tfruns_rs.tfruns._options import options as options
    from tfruns_rs.tfruns._rerun import rerun as rerun
    from tfruns_rs.tfruns._run_dir import as_run_dir as as_run_dir
    from tfruns_rs.tfruns._run_dir import is_run_active as is_run_active
    from tfruns_rs.tfruns._run_dir import run_dir as run_dir
    from tfruns_rs.tfruns._run_dir import unique_run_dir as unique_run_dir
    from tfruns_rs.tfruns._run_info import RunInfo as RunInfo
    from tfruns_rs.tfruns._run_info import latest_run as latest_run
    from tfruns_rs.tfruns._run_info import run_info as run_info
    from tfruns_rs.tfruns._run_metadata import write_run_data as write_run_data
    from tfruns_rs.tfruns._run_metadata import write_run_metadata as write_run_metadata
    from tfruns_rs.tfruns._scan_runs import scan_metrics as scan_metrics
    from tfruns_rs.tfruns._scan_runs import scan_runs as scan_runs
    from tfruns_rs.tfruns._training_run import training_run as training_run
    from tfruns_rs.tracking._annotate import describe_run as describe_run
    from tfruns_rs.tracking._annotate import rename_run as rename_run
    from tfruns_rs.tracking._annotate import tag_runs as tag_runs
    from tfruns_rs.tracking._artifact import Artifact as Artifact
    from tfruns_rs.tracking._artifact import create_artifact as create_artifact
    from tfruns_rs.tracking._artifact import load_artifact as load_artifact
    from tfruns_rs.tracking._create_run import active_run as active_run
    from tfruns_rs.tracking._create_run import create_run as create_run
    from tfruns_rs.tracking._create_run import init as init
    from tfruns_rs.tracking._create_run import load_run as load_run
    from tfruns_rs.tracking._lineage import lineage as lineage
    from tfruns_rs.tracking._lineage import mermaid as mermaid
    from tfruns_rs.tracking._login import login as login
    from tfruns_rs.tracking._login import logout as logout
    from tfruns_rs.tracking._run import Run as Run
    from tfruns_rs.tracking._upload_many import upload as upload
    from tfruns_rs.tracking._url import Url as Url
    from tfruns_rs.tracking.tables._collect import collect_metrics as collect_metrics
    from tfruns_rs.tracking.tables._compare import compare_examples as compare_examples
    from tfruns_rs.tracking.tables._schema import ColumnSchema as ColumnSchema
    from tfruns_rs.tracking.tables._table import MetricsTable as MetricsTable
    from tfruns_rs.tracking.tables._writer import MetricsTableWriter as MetricsTableWriter
    from tfruns_rs.tracking.tables._writer import recover_tables as recover_tables
    from tfruns_rs.tuning._ls_sweeps import ls_sweeps as ls_sweeps
    from tfruns_rs.tuning._tuning_run import tuning_run as tuning_run
    from tfruns_rs.views._view import compare_runs as compare_runs
    from tfruns_rs.views._view import save_run_comparison as save_run_comparison
    from tfruns_rs.views._view import save_run_view as save_run_view
    from tfruns_rs.views._view import update_run_metrics as update_run_metrics
    from tfruns_rs.views._view import view_run as view_run
    from tfruns_rs.views._view import view_run_metrics as view_run_metrics

#: The module of each public name, below this package.
_MODULES = {
    "Artifact": "tracking._artifact",
    "ColumnSchema": "tracking.tables._schema",
    "EventWriter": "_core",
    "Flags": "tfruns._flags",
    "MetricsTable": "tracking.tables._table",
    "MetricsTableWriter": "tracking.tables._writer",
    "Run": "tracking._run",
    "RunInfo": "tfruns._run_info",
    "Url": "tracking._url",
    "active_run": "tracking._create_run",
    "as_event": "tfevents._events",
    "as_run_dir": "tfruns._run_dir",
    "clean_runs": "tfruns._clean_runs",
    "collect_events": "tfevents._read",
    "collect_foreign_events": "importers._import_runs",
    "collect_hparams": "tfevents._sessions",
    "collect_metrics": "tracking.tables._collect",
    "compare_examples": "tracking.tables._compare",
    "compare_runs": "views._view",
    "copy_run": "tfruns._copy_run",
    "copy_run_files": "tfruns._copy_run",
    "create_artifact": "tracking._artifact",
    "create_run": "tracking._create_run",
    "describe_run": "tracking._annotate",
    "diff_runs": "tfruns._diff_runs",
    "diff_sources": "tfruns._diff_runs",
    "disk_usage": "tfruns._disk_usage",
    "events_logdir": "tfevents._follow",
    "flag_boolean": "tfruns._flag",
    "flag_integer": "tfruns._flag",
    "flag_numeric": "tfruns._flag",
    "flag_string": "tfruns._flag",
    "flags": "tfruns._flags",
    "follow": "tfevents._follow",
    "gc_runs": "tfruns._gc_runs",
    "get_default_logdir": "tfevents._logdir",
    "get_global_step": "tfevents._steps",
    "hparams_hparam": "tfevents._hparams",
    "hparams_metric": "tfevents._hparams",
    "import_runs": "importers._import_runs",
    "init": "tracking._create_run",
    "is_run_active": "tfruns._run_dir",
    "latest_run": "tfruns._run_info",
    "lineage": "tracking._lineage",
    "load_artifact": "tracking._artifact",
    "load_run": "tracking._create_run",
    "local_logdir": "tfevents._logdir",
    "log_custom_scalars": "tfevents._custom_scalars",
    "log_embedding": "tfevents._projector",
    "log_event": "tfevents._log",
    "log_graph": "tfevents._graph",
    "log_hparams": "tfevents._hparams",
    "log_hparams_config": "tfevents._hparams",
    "log_hparams_end": "tfevents._hparams",
    "login": "tracking._login",
    "logout": "tracking._login",
    "ls_foreign_runs": "importers._import_runs",
    "ls_runs": "tfruns._ls_runs",
    "ls_sweeps": "tuning._ls_sweeps",
    "mermaid": "tracking._lineage",
    "option_context": "tfruns._options",
    "options": "tfruns._options",
    "purge_runs": "tfruns._clean_runs",
    "recover_tables": "tracking.tables._writer",
    "rename_run": "tracking._annotate",
    "repair_events": "tfevents._verify",
    "rerun": "tfruns._rerun",
    "restore_runs": "tfruns._clean_runs",
    "run_dir": "tfruns._run_dir",
    "run_info": "tfruns._run_info",
    "save_run_comparison": "views._view",
    "save_run_view": "views._view",
    "scan_events": "tfevents._scan",
    "scan_metrics": "tfruns._scan_runs",
    "scan_runs": "tfruns._scan_runs",
    "set_default_logdir": "tfevents._logdir",
    "set_global_step": "tfevents._steps",
    "summary_audio": "tfevents._audio",
    "summary_custom_scalars": "tfevents._custom_scalars",
    "summary_graph": "tfevents._graph",
    "summary_histogram": "tfevents._histogram",
    "summary_hparams": "tfevents._hparams",
    "summary_hparams_config": "tfevents._hparams",
    "summary_hparams_end": "tfevents._hparams",
    "summary_image": "tfevents._image",
    "summary_mesh": "tfevents._mesh",
    "summary_metadata": "tfevents._metadata",
    "summary_pr_curve": "tfevents._pr_curve",
    "summary_run_metadata": "tfevents._graph",
    "summary_scalar": "tfevents._scalar",
    "summary_tensor": "tfevents._tensor",
    "summary_text": "tfevents._text",
    "summary_video": "tfevents._video",
    "tag_runs": "tracking._annotate",
    "training_run": "tfruns._training_run",
    "tuning_run": "tuning._tuning_run",
    "unique_run_dir": "tfruns._run_dir",
    "update_run_metrics": "views._view",
    "upload": "tracking._upload_many",
    "value": "tfevents._value",
    "verify_events": "tfevents._verify",
    "view_run": "views._view",
    "view_run_metrics": "views._view",
    "with_logdir": "tfevents._logdir",
    "write_events": "tfevents._write",
    "write_run_data": "tfruns._run_metadata",
    "write_run_metadata": "tfruns._run_metadata",
}

_SUBMODULES = {
    "errors",
    "keras",
    "lightgbm",
    "lightning",
    "sklearn",
    "tensorboardx",
    "torch",
    "transformers",
    "xgboost",
}

# `options` and `value` are left out: bare, they read badly.
__all__ = [
    "Artifact",
    "ColumnSchema",
    "EventWriter",
    "Flags",
    "MetricsTable",
    "MetricsTableWriter",
    "Run",
    "RunInfo",
    "Url",
    "active_run",
    "as_event",
    "as_run_dir",
    "clean_runs",
    "collect_events",
    "collect_foreign_events",
    "collect_hparams",
    "collect_metrics",
    "compare_examples",
    "compare_runs",
    "copy_run",
    "copy_run_files",
    "create_artifact",
    "create_run",
    "describe_run",
    "diff_runs",
    "diff_sources",
    "disk_usage",
    "errors",
    "events_logdir",
    "flag_boolean",
    "flag_integer",
    "flag_numeric",
    "flag_string",
    "flags",
    "flush",
    "flush_on_sigterm",
    "follow",
    "gc_runs",
    "get_default_logdir",
    "get_global_step",
    "hparams_hparam",
    "hparams_metric",
    "import_runs",
    "init",
    "is_run_active",
    "latest_run",
    "lineage",
    "load_artifact",
    "load_run",
    "local_logdir",
    "log_custom_scalars",
    "log_embedding",
    "log_event",
    "log_graph",
    "log_hparams",
    "log_hparams_config",
    "log_hparams_end",
    "login",
    "logout",
    "ls_foreign_runs",
    "ls_runs",
    "ls_sweeps",
    "mermaid",
    "option_context",
    "purge_runs",
    "recover_tables",
    "rename_run",
    "repair_events",
    "rerun",
    "restore_runs",
    "run_dir",
    "run_info",
    "save_run_comparison",
    "save_run_view",
    "scan_events",
    "scan_metrics",
    "scan_runs",
    "set_default_logdir",
    "set_global_step",
    "summary_audio",
    "summary_custom_scalars",
    "summary_graph",
    "summary_histogram",
    "summary_hparams",
    "summary_hparams_config",
    "summary_hparams_end",
    "summary_image",
    "summary_mesh",
    "summary_metadata",
    "summary_pr_curve",
    "summary_run_metadata",
    "summary_scalar",
    "summary_tensor",
    "summary_text",
    "summary_video",
    "tag_runs",
    "training_run",
    "tuning_run",
    "unique_run_dir",
    "update_run_metrics",
    "upload",
    "verify_events",
    "view_run",
    "view_run_metrics",
    "with_logdir",
    "write_events",
    "write_run_data",
    "write_run_metadata",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name in _MODULES:
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value
    message = f"module {__name__!r} has no attribute {name!r}"
    if name.endswith(("Error", "Warning")):
        message += f"; errors are in {__name__}.errors"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_SUBMODULES})
