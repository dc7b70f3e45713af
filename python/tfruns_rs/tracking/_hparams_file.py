"""`hparams.json`, and its mirror in `flags.json`, where R and `ls_runs()` look.

NaN and the infinities are the words "NaN", "Inf" and "-Inf" in the file, as R reads them, and numbers again
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from tfruns_rs import _core
from tfruns_rs.tfruns import _json, _record
from tfruns_rs.tfruns._run_metadata import looks_secret, masked, present
from tfruns_rs.tracking._hparams import leaves

_NUMBERS = {"NaN": float("nan"), "Inf": float("inf"), "-Inf": float("-inf")}


def write_hparams(run_dir: str, values: Mapping[str, Any]) -> None:
    """Writes the hyperparameters; texts under names that look like secrets are masked."""
    meta = f"{run_dir}/{_record.META_DIR}"
    values = cast("Mapping[str, Any]", _without_secrets(values))
    with _record.locked(f"{meta}/flags.json"):
        gone = leaves(_record.read_json(f"{meta}/hparams.json"))
        flags = {
            name: value for name, value in _record.read_json(f"{meta}/flags.json").items() if name not in gone
        }
        flags.update(masked(present(leaves(values))))
        _core.write_atomic(f"{meta}/hparams.json", _json.dumps(values))
        if flags or gone:
            _core.write_atomic(f"{meta}/flags.json", _json.dumps(flags))


def read_hparams(run_dir: str) -> dict[str, Any]:
    """The hyperparameters; the flags of a run that has only those."""
    meta = f"{run_dir}/{_record.META_DIR}"
    found = _record.read_json(f"{meta}/hparams.json") or _record.read_json(f"{meta}/flags.json")
    return cast("dict[str, Any]", _numbers(found))


def _without_secrets(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {key: _without_secrets(item, key) for key, item in items}
    return "***" if isinstance(value, str) and value and looks_secret(name) else value


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_numbers(item) for item in cast("list[Any]", value)]
    return _NUMBERS.get(value, value) if isinstance(value, str) else value
