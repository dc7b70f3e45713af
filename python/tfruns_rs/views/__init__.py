"""The pages: one run's report, the comparison of several, and metrics as they come.

`_view` is what a user calls. `_runs` names runs, `_data` gathers what a page shows of one, `_events` what its
`logs/` hold; `_charts`, `_tables`, `_ansi`, `_source`, `_diff` and `_picture` make parts of it fit to show,
as much as `_budget` allows; `_page` renders a template with its policy; `_report`, `_compare` and `_live` are
the pages; `_open` shows them, and `_notebook` what a notebook shows of a run by itself. `_extra` is what all
this draws with: nothing but `_view` is imported before a page is asked for.
"""

from tfruns_rs.views._view import compare_runs as compare_runs
from tfruns_rs.views._view import save_run_comparison as save_run_comparison
from tfruns_rs.views._view import save_run_view as save_run_view
from tfruns_rs.views._view import update_run_metrics as update_run_metrics
from tfruns_rs.views._view import view_run as view_run
from tfruns_rs.views._view import view_run_metrics as view_run_metrics
