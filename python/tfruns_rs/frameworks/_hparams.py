"""The session that `add_hparams` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.tfevents._hparams import END_TAG, EXPERIMENT_TAG, START_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.frameworks._values import Values

    HParam = tuple[str, Any, list[Any] | None]


def session(
    run: str, hparams: Mapping[str, Any], metrics: Mapping[str, Any], domains: Mapping[str, list[Any]]
) -> Values:
    """The three values of a session as torch writes it: bools are numbers.

    Raises:
        TypeError: A domain that is no list of values of its hyperparameter's type.
        ValueError: A hyperparameter of another type.
    """
    listed: list[HParam] = []
    for name, domain in domains.items():
        given = cast("object", hparams.get(name))
        if name not in hparams or not all(isinstance(allowed, type(given)) for allowed in domain):
            raise TypeError(
                f"hparam_domain_discrete[{name!r}] must be a list of values of the type of its value"
            )
    for name, value in hparams.items():
        if value is None:
            continue
        number = _item(value)
        if isinstance(number, int | float):
            domain = [float(d) for d in domains[name]] if name in domains else None
            listed.append((name, float(number), domain))
        elif isinstance(number, str):
            listed.append((name, number, domains.get(name)))
        else:
            raise ValueError(  # noqa: TRY004 - torch's error
                f"hparam_dict[{name!r}] must be a number, a string or a bool, not {type(value).__name__}"
            )
    return _values(run, listed, metrics)


def session_of_x(run: str, hparams: Mapping[str, Any], metrics: Mapping[str, Any]) -> Values:
    """The three values of a session as tensorboardX writes it: functions by name, others without a value."""
    listed: list[HParam] = []
    for name, value in hparams.items():
        number = _item(value)
        if isinstance(number, bool | str):
            listed.append((name, number, None))
        elif isinstance(number, int | float):
            listed.append((name, float(number), None))
        elif callable(value):
            listed.append((name, getattr(value, "__name__", str(value)), None))
        elif value is not None:
            listed.append((name, None, None))
    return _values(run, listed, metrics)


def _values(run: str, listed: list[HParam], metrics: Mapping[str, Any]) -> Values:
    experiment, start, end = _core.encode_hparams_session(listed, list(metrics))
    return [(run, EXPERIMENT_TAG, experiment), (run, START_TAG, start), (run, END_TAG, end)]


def _item(value: Any) -> Any:
    """A number of numpy's, or a tensor of one element, as Python's."""
    elements = value.numel() if hasattr(value, "numel") else getattr(value, "size", None)
    return value.item() if elements == 1 and hasattr(value, "item") else value
