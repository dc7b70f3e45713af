"""Runs, in the order one lives: where it goes, what it records, how it is listed and read.

`_options` says where runs live, `_active` which one is active, `_run_dir` makes directories,
`_run_metadata` writes into them; `_ls_runs` and `_run_info` read.
"""
