"""Runs as objects.

`_run` is what a user holds; `_create_run` starts, opens and finds runs, `_session` is the life of an open
one. `_record` is `run.json`, `_hparams` and `_hparams_file` are the hyperparameters, `_metrics` reads the
events of a run back, `_environment` says where it ran and from what. `_artifact` keeps files,
`_associations` and `_lineage` connect runs and artifacts. `_upload` takes them to a destination (`_login`,
`_destination`) and `_download` back; `_sync` does so in the background.
"""

from tfruns_rs.tracking._artifact import Artifact as Artifact
from tfruns_rs.tracking._artifact import create_artifact as create_artifact
from tfruns_rs.tracking._artifact import load_artifact as load_artifact
from tfruns_rs.tracking._create_run import active_run as active_run
from tfruns_rs.tracking._create_run import create_run as create_run
from tfruns_rs.tracking._create_run import init as init
from tfruns_rs.tracking._create_run import load_run as load_run
from tfruns_rs.tracking._lineage import lineage as lineage
from tfruns_rs.tracking._lineage import mermaid as mermaid
from tfruns_rs.tracking._login import login as login
from tfruns_rs.tracking._login import logout as logout
from tfruns_rs.tracking._run import Run as Run
from tfruns_rs.tracking._upload_many import upload as upload
