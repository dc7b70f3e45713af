"""Event files: values made, logged, and read back.

A `_summary` is one value, encoded: `_scalar`, `_text`, `_histogram`, `_image`, `_audio`, `_video`, `_tensor`,
`_mesh`, `_pr_curve`, `_graph`, `_hparams` make them (of `_array`s, with `_metadata`), `_custom_scalars` and
`_projector` what goes with them; `_events` makes events of anything, `_frozen` is what such records are.

`_log` logs, at a step (`_steps`), into a `_logdir`, through a `_writer` that `_lifecycle` keeps safe;
`_write` writes frames.

A `_question` is what readers are asked: `_read` answers it with a frame, `_scan` with a lazy one
(`_pushdown`), `_follow` as files grow. `_kinds` makes columns of values, `_value` one value; `_sessions`
reads hyperparameters, `_verify` finds and repairs damage.
"""
