"""Runs, in the order one lives.

`_options` says where runs live, `_run_dir` makes directories and finds them, `_active` knows which run is
active; `_flags`, `_flag` and `_flag_values` are what its script is given.

`_training_run` has something run and recorded: a script or command as a `_child`, with `_runner` inside it or
`_pass_flags` before it; or a `_function`, by way of `_caller`. `_rerun` does it again. The `_recording` holds
the `_environment`, the `_sources`, the console (`_capture`), plots (`_plots`, `_plot_files`), `_artifacts`,
and what the run says of itself: `_run_metadata`, as R keeps it (`_json`, `_projection`), and `_record` beside
it. A sweep speaks to its runs through `_supervisor`, a notebook is shown a link by `_notebook`.

`_ls_runs`, `_scan_runs` and `_subset` list runs, `_run_info` reads one, `_diff_runs` holds two side by side.
`_copy_run`, `_clean_runs`, `_gc_runs` and `_disk_usage` keep house; `_confirm` asks before.
"""
