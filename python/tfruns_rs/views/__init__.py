"""The pages: one run's report, the comparison of several, and metrics as they come.

`_runs` names runs, `_data` gathers what a page shows of one, `_events` what its `logs/` hold; `_charts`,
`_ansi`, `_source` and `_picture` make parts of it fit to show; `_page` renders a template with its policy;
`_report`, `_compare` and `_live` are the pages; `_open` shows them, `_notebook` is what notebooks show of a
run. Nothing of this is imported before a page is asked for.
"""
