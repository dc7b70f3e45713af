"""Runs that other tools recorded: read where they are, listed, and made run directories of.

| file | what |
|---|---|
| `_foreign.py` | a run as any of them tells it, and how untrusted files are read |
| `_lightning.py` `_mlflow.py` `_guild.py` `_sacred.py` `_wandb.py` | each tool's runs |
| `_discover.py` | the runs below a path |
| `_known.py` | what was imported before |
| `_write.py` | a run directory of one |
| `_import_runs.py` | the three verbs: import, list, collect |
"""
