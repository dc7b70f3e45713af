"""Sweeps: many runs of one script, several at a time, on several machines, that survive being killed.

`_tuning_run` reads the request, `_search` makes a sweep and a source of trials of it (`_combinations`,
`_random`, `_optuna`), `_schedule` hands trials to one of the `_executors` as `_plan` has it (`_devices`),
`_trial` runs one wherever that is. `_sweep` is the directory that all of them share, in which `_claims`
(`_exclusive`) keep two from running the same. `_metric` and `_series` are what a run is judged by, `_tell` is
what the person who waits sees, `_settle` makes a frame of what has come of it, and `_ls_sweeps` lists sweeps.
"""
