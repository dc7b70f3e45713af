"""Where uploads go until `logout()`: one destination for the process.

Credentials come from where each kind of store keeps them (its environment variables and files), from
`api_key`, or from `storage_options`. They are kept in memory only: addresses are shown and recorded without
them, and messages are cleaned of them.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import quote, unquote, urlsplit

from tfruns_rs.errors import NotLoggedInError, UploadError
from tfruns_rs.tracking._destination import DirectoryDestination
from tfruns_rs.tracking._names import current_user
from tfruns_rs.tracking._nodes import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.tracking._destination import Destination

_STORES = {"s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "memory"}


class Login(NamedTuple):
    """A destination in use.

    Attributes:
        destination: The directory or object store; None for an MLflow server.
        mlflow: The MLflow tracking address; None for others.
        user: Whose folder relative paths start from.
        url: The address, without credentials.
        secrets: What must not appear in messages.
    """

    destination: Destination | None
    mlflow: str | None
    user: str
    url: str
    secrets: tuple[str, ...]


_login: Login | None = None


def login(
    url: str | os.PathLike[str] | None = None,
    api_key: str | None = None,
    timeout: float | None = None,
    *,
    user: str | None = None,
    ais_host: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    allow_racy: bool = False,
) -> None:
    """Chooses where uploads go.

    Args:
        url: A directory, also of a file server (`/shared/runs`, `file:///shared/runs`); an object store
            (`s3://bucket/prefix`, `gs://…`, `az://…`; extra `remote`); an MLflow server
            (`mlflow+https://host`) or database (`mlflow+sqlite:///path`; extra `mlflow`). By default what
            `TFRUNS_REMOTE` says.
        api_key: For S3 `<access key id>:<secret access key>`, for MLflow a token. By default the store's own
            variables and files.
        timeout: Seconds to wait for an answer.
        user: Whose folder a relative path starts from; by default `TFRUNS_USER`, else the user of the system.
        ais_host: Another name for `url`.
        storage_options: Options of the object store, as obstore names them.
        allow_racy: Whether to use a store that ignores conditions on a write; two uploads of one name at once
            may then lose one.

    Raises:
        ValueError: No address, or one that is none.
        UploadError: The store can't be written to, or ignores conditions.
        MissingExtraError: What the store needs is not installed.

    Examples:
        >>> import tfruns_rs as tfr
        >>> tfr.login(tmp_path / "shared", user="ada")
        >>> with tfr.create_run(name="mnist", runs_dir=tmp_path / "runs") as run:
        ...     run.log("train", {"loss": 0.5}, step=1)
        >>> run.upload()
        >>> run.remote[0]["action"]
        'upload'
        >>> tfr.logout()
    """
    global _login  # noqa: PLW0603 - one destination for the process
    address = os.fspath(url or ais_host or os.environ.get("TFRUNS_REMOTE") or "")
    if not address:
        raise ValueError("there is no address: pass url, or set TFRUNS_REMOTE")
    scheme = urlsplit(address).scheme if "://" in address else ""
    options = dict(storage_options or {})
    found = Login(
        None, None, user or current_user(), without_credentials(address), _secrets(address, api_key, options)
    )
    if scheme.startswith("mlflow+"):
        from tfruns_rs.tracking._mlflow import check_mlflow

        found = found._replace(mlflow=address.removeprefix("mlflow+"))
        check_mlflow(found, api_key, timeout)
    else:
        if scheme in {"", "file"}:
            path = unquote(urlsplit(address).path) if scheme else address
            destination: Destination = DirectoryDestination(os.path.expanduser(path))  # noqa: PTH111
        elif scheme in _STORES:
            from tfruns_rs.tracking._object_store import open_store

            destination = open_store(address, found.url, api_key, timeout, options, found.secrets)
        else:
            raise ValueError(f"{found.url} is no address of a directory, object store or MLflow server")
        found = found._replace(destination=destination, url=destination.url)
        _probe(destination, allow_racy=allow_racy)
    _login = found


def logout() -> None:
    """Forgets the destination; warns if there is none."""
    global _login  # noqa: PLW0603
    if _login is None:
        warnings.warn("logout() without login()", stacklevel=2)
    _login = None


def current_login() -> Login:
    """The destination in use; `TFRUNS_REMOTE` is one without `login()`.

    Raises:
        NotLoggedInError: There is none.
    """
    if _login is None and os.environ.get("TFRUNS_REMOTE"):
        login()
    if _login is None:
        raise NotLoggedInError("there is no destination: call login(url) first, or set TFRUNS_REMOTE")
    return _login


def _probe(destination: Destination, *, allow_racy: bool) -> None:
    """Makes one path twice.

    The second time must fail, or two uploads at once could both believe to have a name.
    """
    path = f"{ROOT}/probes/{os.urandom(8).hex()}"
    try:
        first, second = destination.create(path, [b"probe\n"]), destination.create(path, [b"again\n"])
    except OSError as error:
        raise UploadError(f"can't write to {destination.url}: {error.strerror or error}") from None
    finally:
        _remove_quietly(destination, path)
    if (not first or second) and not allow_racy:
        raise UploadError(
            f"{destination.url} ignores the condition that a file is new; allow_racy=True uses it anyway"
        )


def _remove_quietly(destination: Destination, path: str) -> None:
    try:
        destination.remove(path)
    except (OSError, UploadError):
        return


_SECRET_WORDS = ("key", "secret", "token", "password", "sas", "credential")
_SECRET_VARIABLES = ("AWS_", "AZURE_", "GOOGLE_", "MLFLOW_")


def _secrets(address: str, api_key: str | None, options: Mapping[str, Any]) -> tuple[str, ...]:
    """All that may be secret in what was given and in the variables of the stores, and its parts."""
    found: list[str] = []
    if "://" in address:
        parts = urlsplit(address)
        userinfo = parts.netloc.rpartition("@")[0]
        found += [
            userinfo,
            *userinfo.split(":"),
            *(pair.partition("=")[2] for pair in parts.query.split("&")),
        ]
    if api_key:
        found += [api_key, *api_key.split(":")]
    named = {name: value for name, value in os.environ.items() if name.startswith(_SECRET_VARIABLES)}
    for name, value in {**named, **options}.items():
        if any(word in name.lower() for word in _SECRET_WORDS):
            found += [str(value), *re.findall(r"\bsig=([^&\s]+)", str(value)), *_inside(str(value))]
    found += [quote(secret, safe="") for secret in found] + [unquote(secret) for secret in found]
    return tuple(sorted({secret for secret in found if len(secret) > 3}, key=len, reverse=True))  # noqa: PLR2004


def _inside(value: str) -> list[str]:
    """The secrets within a service account's JSON."""
    try:
        account = json.loads(value)
    except ValueError:
        return []
    if not isinstance(account, dict):
        return []
    texts = cast("dict[str, object]", account).items()
    return [str(text) for name, text in texts if any(word in name for word in _SECRET_WORDS)]


def redacted(text: str, secrets: tuple[str, ...]) -> str:
    """The text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def without_credentials(url: str) -> str:
    """A URL without user, password and query: what may be kept and shown."""
    url = re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@", r"\1", url)
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://[^?#]*)[?#].*$", r"\1", url, flags=re.DOTALL)
