"""Other people's training code, recorded: a writer in torch's clothes, callbacks, automatic logging.

- `_summary_writer`, `_tensorboardx`: drop-ins for `SummaryWriter`, over `_values` (what is written),
  `_arrays` (shapes) and `_file_writer` (the object behind the writer)
- `_session`: what every callback does with a run; one module a framework on top of it
- `_autolog`: what a script's frameworks are made to do when nobody changed the script

The public modules are `tfruns_rs.torch`, `tfruns_rs.tensorboardx`, `tfruns_rs.keras`, `tfruns_rs.lightning`,
`tfruns_rs.transformers`, `tfruns_rs.sklearn`, `tfruns_rs.xgboost` and `tfruns_rs.lightgbm`. None is imported
unless a script asks for it, and none imports a framework that the script does not use.
"""
