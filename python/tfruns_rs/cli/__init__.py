"""The command `tfruns`: the library's functions at a prompt.

`_app` is the list of verbs and what an error means to the shell; a verb's module is imported when it is
called. `_params` reads what users type, `_out` writes what they read; then a file for each idea.
"""
