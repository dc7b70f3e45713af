"""Runs as objects.

`_run` is what a user holds, of `_metadata`, `_hparams` (with `_hparams_file`), `_metrics` and `_environment`;
`_names` says what may be called how. `_create_run` starts, opens and finds runs, `_session` is the life of an
open one, with `_system_metrics` in it; `_annotate` is what people say afterwards. `run.json` itself is
`tfruns._record`. `tables/` are per-example metrics, and `_url` leads to them.

`_artifact` keeps files (`_copy`), `_associations` and `_lineage` connect runs and artifacts. `_upload` and
`_upload_many` take both to a destination and `_download` back; `_sync` does so in the background. What is
sent is in the `_manifest`; where to, in `_login`: to a `_destination`, which is a directory or an
`_object_store` with `_nodes` on it, or to `_mlflow`. `_em` reads and writes the layout of t9k's `em`.
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
