"""Run directories of t9k's `em`: read where they are, and written for its tools.

| file | content |
|---|---|
| `metadata.yaml` | the nine keys of `Run.to_dict()` |
| `index.yaml` | where the others are |
| `hyperparameters.yaml`, `platform.yaml`, `git.yaml` | a mapping each |
| `metrics/<type>.yaml` | a list, one entry a call of `log`; a "/" in a type is written `%2F` |
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from tfruns_rs.errors import RunNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.tracking._run import Run


def read_em_run(directory: str) -> Run:
    """The run of such a directory, in memory; its alternative name is the directory's.

    Raises:
        RunNotFoundError: It is no run's, or a file that it names is missing or unreadable.
    """
    from tfruns_rs.tracking._run import Run

    metadata = _mapping(directory, "metadata.yaml")
    if metadata.get("kind", "Run") != "Run":
        raise RunNotFoundError(f"{directory} holds no run but a {metadata['kind']}")
    metadata["alternativeName"] = os.path.basename(directory)  # noqa: PTH119
    index = _mapping(directory, "index.yaml")
    files = cast("dict[str, str]", index.get("metrics") or {})
    metrics = {
        kind: [_entry(entry) for entry in cast("list[dict[str, Any]]", _read(directory, file) or [])]
        for kind, file in files.items()
    }
    parts = {
        name: _mapping(directory, index[key]) if index.get(key) else {}
        for name, key in (("hparams", "hyperparameters"), ("platform", "platform"), ("git", "git"))
    }
    return Run(metadata, parts["hparams"], metrics, parts["platform"], parts["git"])


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """YAML readers take `1e-05` for text."""
    values = {str(name): float(value) for name, value in entry["value"].items()}
    return {"value": values, "sequence": dict(entry["sequence"])}


def _mapping(directory: str, file: str) -> dict[str, Any]:
    found = _read(directory, file)
    if found is not None and not isinstance(found, dict):
        raise RunNotFoundError(f"{directory}/{file} holds no mapping")
    return cast("dict[str, Any]", found or {})


def _read(directory: str, file: str) -> Any:
    import yaml

    path = os.path.realpath(os.path.join(directory, file))  # noqa: PTH118
    if not path.startswith(os.path.realpath(directory) + os.sep):
        raise RunNotFoundError(f"{directory} names {file!r}, which is outside of it")
    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123
            return yaml.load(stream, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except FileNotFoundError:
        raise RunNotFoundError(f"{path} is missing") from None
    except yaml.YAMLError as error:
        raise RunNotFoundError(f"{path} can't be read: {error}") from None


def write_em_run(run: Run, parent: str) -> str:
    """Writes a run below `parent`, under its alternative name; returns the directory.

    Raises:
        FileExistsError: There is one already.
    """
    directory = os.path.join(os.path.abspath(parent), run.alternative_name)  # noqa: PTH100, PTH118
    os.makedirs(os.path.join(directory, "metrics"))  # noqa: PTH103, PTH118
    metrics = run.metrics
    files = {kind: f"metrics/{quote(kind, safe='')}.yaml" for kind in metrics}
    for kind, file in files.items():
        _write(directory, file, metrics[kind])
    for name, content in (
        ("hyperparameters", run.hparams.as_dict()),
        ("platform", run.platform),
        ("git", run.git),
    ):
        _write(directory, f"{name}.yaml", content)
    index = {name: f"{name}.yaml" for name in ("hyperparameters", "platform", "git")}
    _write(directory, "index.yaml", {**index, "metrics": files})
    _write(directory, "metadata.yaml", run.to_dict())
    return directory


def _write(directory: str, file: str, content: Any) -> None:
    import yaml

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    with open(os.path.join(directory, file), "x", encoding="utf-8") as stream:  # noqa: PTH118, PTH123
        yaml.dump(content, stream, dumper, sort_keys=False, allow_unicode=True)
