"""Other people's training code, recorded: a writer in torch's clothes, callbacks, automatic logging.

- `_summary_writer`, `_tensorboardx`: drop-ins for `SummaryWriter`, over `_base_writer` (what they share),
  `_values` (what is written: of `_arrays`, `_hparams`, `_graphs`, `_embedding`) and `_file_writer` (the
  object behind the writer)
- `_recorder`: what every callback does with a run; `_classes` makes its class where the framework is there;
  one module a framework on top of them
- `_autolog`: what a script's frameworks are made to do when nobody changed the script, as `_watch` sees them
  imported; `_site` is what a child interpreter finds on its path

The public modules are `tfruns_rs.torch`, `tfruns_rs.tensorboardx`, `tfruns_rs.keras`, `tfruns_rs.lightning`,
`tfruns_rs.transformers`, `tfruns_rs.sklearn`, `tfruns_rs.xgboost` and `tfruns_rs.lightgbm`. None is imported
unless a script asks for it, and none imports a framework that the script does not use.
"""
