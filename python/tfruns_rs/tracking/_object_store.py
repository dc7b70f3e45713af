"""Object stores as destinations: S3 and its kin, Google Cloud Storage, Azure, through obstore."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tfruns_rs.errors import MissingExtraError, UploadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

CHUNK_BYTES = 16 << 20
_PARALLEL = 8


def open_store(  # noqa: PLR0917 - one caller
    address: str,
    url: str,
    api_key: str | None,
    timeout: float | None,
    options: Mapping[str, Any],
    secrets: tuple[str, ...],
) -> ObjectStore:
    """The store at an address.

    Raises:
        MissingExtraError: obstore is not installed.
        ValueError: The address or an option is none of the store's.
    """
    try:
        from obstore.store import from_url
    except ImportError:
        raise MissingExtraError("object stores need obstore: pip install 'tfruns-rs[remote]'") from None
    config = dict(options)
    parts = urlsplit(address)
    if api_key is not None and parts.scheme in {"s3", "s3a"}:
        config["access_key_id"], _, config["secret_access_key"] = api_key.partition(":")
    endpoint = config.get("endpoint", config.get("aws_endpoint"))
    if endpoint is None and parts.scheme in {"s3", "s3a"}:
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT")
    if str(endpoint).startswith("http://"):
        config["client_options"] = {"allow_http": True, **config.get("client_options", {})}
    client: Any = dict(config.pop("client_options", {}))
    retry: Any = config.pop("retry_config", None)
    if timeout is not None:
        client["timeout"] = f"{timeout:g}s"
    plain = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    make: Any = from_url
    try:
        store = make(plain, config=config, client_options=client, retry_config=retry)
    except Exception as error:  # noqa: BLE001 - obstore's errors have no public root
        problem = _clean(error, secrets)
    else:
        return ObjectStore(store, url.rstrip("/"), secrets)
    raise ValueError(f"{url}: {problem}")


class ObjectStore:
    """A bucket, or what lies below a prefix of it.

    Files go up in pieces, so none needs a multipart upload.
    """

    def __init__(self, store: Any, url: str, secrets: tuple[str, ...]) -> None:
        import obstore

        self.url = url
        self.chunk_bytes: int | None = CHUNK_BYTES
        self.parallel = _PARALLEL
        self._store = store
        self._api: Any = obstore
        self._secrets = secrets

    def create(self, path: str, blocks: Iterable[bytes]) -> bool:
        """As `Destination` says; the store decides by a condition on the write."""
        data = b"".join(blocks)
        from obstore.exceptions import AlreadyExistsError

        try:
            self._try(
                path, lambda: self._api.put(self._store, path, data, mode="create", use_multipart=False)
            )
        except AlreadyExistsError:
            return False
        return True

    def read(self, path: str) -> bytes:
        """As `Destination` says."""
        return bytes(self._try(path, lambda: self._api.get(self._store, path).bytes()))

    def stream(self, path: str) -> Iterator[bytes]:
        """As `Destination` says."""
        blocks = iter(self._try(path, lambda: self._api.get(self._store, path).stream()))
        while True:
            block = self._try(path, lambda: next(blocks, None))
            if block is None:
                return
            yield bytes(block)

    def exists(self, path: str) -> bool:
        """As `Destination` says."""
        try:
            self._try(path, lambda: self._api.head(self._store, path))
        except FileNotFoundError:
            return False
        return True

    def names(self, path: str) -> list[str]:
        """As `Destination` says."""
        listed = self._try(path, lambda: self._api.list_with_delimiter(self._store, path))
        return [entry["path"].rpartition("/")[2] for entry in listed["objects"]]

    def below(self, path: str) -> Iterator[tuple[str, str]]:
        """As `Destination` says."""
        batches = iter(self._try(path, lambda: self._api.list(self._store, path or None)))
        while (batch := self._try(path, lambda: next(batches, None))) is not None:
            for entry in batch:
                directory, _, name = entry["path"].removeprefix(f"{path}/").rpartition("/")
                if directory and "/" not in directory:
                    yield directory, name

    def remove(self, path: str) -> None:
        """As `Destination` says."""
        try:
            self._try(path, lambda: self._api.delete(self._store, path))
        except FileNotFoundError:
            return

    def _try(self, path: str, work: Callable[[], Any]) -> Any:
        """Trouble with the store as one clear error that holds no credentials."""
        from obstore.exceptions import AlreadyExistsError, BaseError

        try:
            return work()
        except (AlreadyExistsError, FileNotFoundError):
            raise
        except (BaseError, OSError) as error:
            problem = _clean(error, self._secrets)
        raise UploadError(
            f"{self.url}/{path}: {problem}"
        )  # outside: a chained error would carry its text along


def _clean(error: BaseException, secrets: tuple[str, ...]) -> str:
    """The first line of a message, which may quote headers and bodies, without secrets."""
    from tfruns_rs.tracking._login import redacted

    line = str(error).strip().split("\n", 1)[0]
    return redacted(line if len(line) <= 300 else f"{line[:300]}…", secrets)  # noqa: PLR2004
