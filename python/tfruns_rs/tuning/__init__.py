"""Sweeps: many runs of one script, several at a time, on several machines, that survive being killed.

`_tuning_run` reads the request, `_combinations` and the searches say what to run, `_schedule` hands trials to
an executor, `_trial` runs one wherever that executor is, `_claims` keeps two from running the same, and
`_sweep` is the directory that all of them share.
"""
