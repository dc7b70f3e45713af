"""Runs, in the order one lives: where it goes, what it records, how it is listed and read.

`_options` says where runs live, `_active` which one is active, `_run_dir` makes directories,
`_run_metadata` writes into them; `_ls_runs` and `_run_info` read.
"""

from tfruns_rs.tfruns import _active
from tfruns_rs.tfruns._clean_runs import clean_runs as clean_runs
from tfruns_rs.tfruns._clean_runs import purge_runs as purge_runs
from tfruns_rs.tfruns._clean_runs import restore_runs as restore_runs
from tfruns_rs.tfruns._copy_run import copy_run as copy_run
from tfruns_rs.tfruns._copy_run import copy_run_files as copy_run_files
from tfruns_rs.tfruns._flag import flag_boolean as flag_boolean
from tfruns_rs.tfruns._flag import flag_integer as flag_integer
from tfruns_rs.tfruns._flag import flag_numeric as flag_numeric
from tfruns_rs.tfruns._flag import flag_string as flag_string
from tfruns_rs.tfruns._flags import Flags as Flags
from tfruns_rs.tfruns._flags import flags as flags
from tfruns_rs.tfruns._ls_runs import ls_runs as ls_runs
from tfruns_rs.tfruns._options import option_context as option_context
from tfruns_rs.tfruns._options import options as options
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

_active.adopt()
