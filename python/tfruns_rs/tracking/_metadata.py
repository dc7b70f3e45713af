"""A run's metadata: the document of `to_dict()`, and the values that it is in `run.json`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs.errors import RunMetadataError
from tfruns_rs.tracking._associations import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STATUSES = ("Running", "Complete", "Error")
RUNNING, COMPLETE, ERROR = STATUSES
KEYS = {
    "name": "name",
    "labels": "labels",
    "description": "description",
    "startTimestamp": "start_timestamp",
    "endTimestamp": "end_timestamp",
    "status": "status",
    "alternativeName": "alternative_name",
    "associations": "associations",
    "remote": "remote",
}
"""The keys of `to_dict()`, and those of `run.json`."""
SHARED = ("labels", "description", "associations", "remote")
"""The values that others change as well; the rest is their owner's."""
STATUS_OF = {"completed": COMPLETE, "failed": ERROR, "interrupted": ERROR, "killed": ERROR, "invalid": ERROR}
"""A run's status by that of `ls_runs()`."""


def parse_metadata(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The nine values under their own names, and what else there is."""
    missing = [key for key in KEYS if key not in data]
    if missing:
        raise RunMetadataError(f"the metadata lack {', '.join(missing)}")
    if data["status"] not in STATUSES:
        raise ValueError(f"the status is {data['status']!r}; it is one of {', '.join(STATUSES)}")
    values = {field: copy.deepcopy(data[key]) for key, field in KEYS.items()}
    values["labels"] = list(values["labels"] or [])
    values["remote"] = list(values["remote"] or [])
    associations = cast("dict[str, Any]", values["associations"] or {})
    values["associations"] = {role: list(associations.get(role) or []) for role in ROLES}
    return values, {
        key: copy.deepcopy(value) for key, value in data.items() if key not in KEYS and key != "kind"
    }


def texts(what: str, values: Iterable[str]) -> list[str]:
    """The values as a list of text.

    Raises:
        TypeError: They are not.
    """
    found = list(values)
    if isinstance(values, str) or not all(isinstance(value, str) for value in found):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{what} are a list of str")
    return found
