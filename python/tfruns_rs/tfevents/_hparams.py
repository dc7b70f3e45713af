"""Hyperparameters: for TensorBoard's HParams dashboard."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._frozen import Frozen
from tfruns_rs.tfevents._log import log_event
from tfruns_rs.tfevents._summary import Summary

Scalar: TypeAlias = "bool | float | str"
Status: TypeAlias = Literal["unknown", "success", "failure", "running"]

EXPERIMENT_TAG = "_hparams_/experiment"
START_TAG = "_hparams_/session_start_info"
END_TAG = "_hparams_/session_end_info"
STATUSES: tuple[Status, ...] = ("unknown", "success", "failure", "running")
_DATASET_TYPES = {None: 0, "unknown": 0, "training": 1, "validation": 2}
DATASET_TYPES = {1: "training", 2: "validation"}


class HParam(Frozen):
    """A hyperparameter of an experiment, made by `hparams_hparam`.

    Attributes:
        name: Its name.
        values: The values it may take, or None.
        interval: The smallest and largest value it may take, or None.
        display_name: The title instead of the name, or None.
        description: Markdown, or None.
    """

    __slots__ = ("name", "values", "interval", "display_name", "description")  # noqa: RUF023 - as the arguments
    name: str
    values: tuple[Scalar, ...] | None
    interval: tuple[float, float] | None
    display_name: str | None
    description: str | None

    def __init__(
        self,
        name: str,
        values: tuple[Scalar, ...] | None,
        interval: tuple[float, float] | None,
        display_name: str | None,
        description: str | None,
    ) -> None:
        self._set(name, values, interval, display_name, description)


class Metric(Frozen):
    """A metric of an experiment, made by `hparams_metric`.

    Attributes:
        tag: The tag.
        group: The run below the session's that holds the tag, or None for the session's own.
        display_name: The title instead of the tag, or None.
        description: Markdown, or None.
        dataset_type: "training", "validation", "unknown" or None.
    """

    __slots__ = ("tag", "group", "display_name", "description", "dataset_type")  # noqa: RUF023 - as the arguments
    tag: str
    group: str | None
    display_name: str | None
    description: str | None
    dataset_type: str | None

    def __init__(
        self,
        tag: str,
        group: str | None,
        display_name: str | None,
        description: str | None,
        dataset_type: str | None,
    ) -> None:
        self._set(tag, group, display_name, description, dataset_type)


def hparams_hparam(
    name: str,
    domain: Sequence[Any] | Mapping[str, float] | None = None,
    *,
    display_name: str | None = None,
    description: str | None = None,
) -> HParam:
    """Describe a hyperparameter of an experiment.

    Args:
        name: Its name, as in `log_hparams`.
        domain: The values it may take: a sequence of strings, of numbers or of bools; or an interval,
            `{"min_value": 0.1, "max_value": 0.5}`; None if nothing is to be said.
        display_name: The title instead of the name.
        description: Markdown.

    Raises:
        InvalidEventError: The domain is empty, mixed, or none of those.

    Examples:
        >>> import tfruns_rs as tfr
        >>> optimizer = tfr.hparams_hparam("optimizer", ["adam", "sgd"])
        >>> rate = tfr.hparams_hparam("lr", {"min_value": 1e-5, "max_value": 0.1}, display_name="rate")
    """
    _check_name("name", name)
    _check_texts(display_name=display_name, description=description)
    if isinstance(domain, Mapping):
        if set(domain) != {"min_value", "max_value"}:
            raise InvalidEventError(
                f"An interval has a `min_value` and `max_value`; the domain of {name!r} has {sorted(domain)}."
            )
        low, high = (_number(f"{key} of {name!r}", domain[key]) for key in ("min_value", "max_value"))
        if math.isnan(low) or math.isnan(high):
            raise InvalidEventError(f"The interval of {name!r} must not have NaN for an end.")
        if not low <= high:
            raise InvalidEventError(f"The interval of {name!r} ends before it begins: {low} to {high}.")
        return HParam(name, None, (low, high), display_name, description)
    if domain is None:
        return HParam(name, None, None, display_name, description)
    if isinstance(domain, str) or not isinstance(domain, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidEventError(
            f"The domain of {name!r} must be a sequence or an interval, not {type(domain).__name__}."
        )
    values = tuple(_scalar(f"a value of {name!r}", value) for value in domain)
    if len({"number" if type(value) in (int, float) else type(value).__name__ for value in values}) != 1:
        raise InvalidEventError(f"The domain of {name!r} must hold values, all of one kind.")
    return HParam(name, values, None, display_name, description)


def hparams_metric(
    tag: str,
    group: str | None = None,
    *,
    display_name: str | None = None,
    description: str | None = None,
    dataset_type: Literal["training", "validation", "unknown"] | None = None,
) -> Metric:
    """Describe a metric by which the sessions of an experiment are compared.

    Args:
        tag: Its tag.
        group: The run below the session's that holds the tag, such as "valid"; None for the session's own.
        display_name: The title instead of the tag.
        description: Markdown.
        dataset_type: "training" or "validation".

    Raises:
        InvalidEventError: Another `dataset_type`, or no tag.

    Examples:
        >>> import tfruns_rs as tfr
        >>> loss = tfr.hparams_metric("loss", group="valid", dataset_type="validation")
    """
    _check_name("tag", tag)
    _check_texts(group=group, display_name=display_name, description=description)
    if dataset_type not in _DATASET_TYPES:
        raise InvalidEventError(
            f"Unknown dataset type: {dataset_type!r}; expected 'training', 'validation' or 'unknown'."
        )
    return Metric(tag, group, display_name, description, dataset_type)


def summary_hparams_config(
    hparams: Sequence[HParam], metrics: Sequence[Metric], *, time_created_secs: float | None = None
) -> Summary:
    """Make the summary that describes an experiment; its tag is fixed.

    Args:
        hparams: From `hparams_hparam`.
        metrics: From `hparams_metric`.
        time_created_secs: Seconds since the epoch; now by default.

    Raises:
        InvalidEventError: Something else in these sequences.
    """
    _check_all("hparams", "hparams_hparam", hparams, HParam)
    _check_all("metrics", "hparams_metric", metrics, Metric)
    fields = _core.encode_hparams_experiment(
        [(h.name, h.values, h.interval, h.display_name or "", h.description or "") for h in hparams],
        [
            (m.tag, m.group or "", m.display_name or "", m.description or "", _DATASET_TYPES[m.dataset_type])
            for m in metrics
        ],
        _time("time_created_secs", time_created_secs),
    )
    return Summary(EXPERIMENT_TAG, "hparams", fields)


def log_hparams_config(
    hparams: Sequence[HParam], metrics: Sequence[Metric], *, time_created_secs: float | None = None
) -> None:
    """Describe an experiment: log its hyperparameters, their domains and its metrics to the default logdir.

    Once, in the directory above those of the sessions. TensorBoard shows sessions without it as well, with
    what it finds in them.

    Args:
        hparams: From `hparams_hparam`.
        metrics: From `hparams_metric`.
        time_created_secs: Seconds since the epoch; now by default.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir(tmp_path):
        ...     tfr.log_hparams_config(
        ...         [tfr.hparams_hparam("optimizer", ["adam", "sgd"]), tfr.hparams_hparam("units")],
        ...         [tfr.hparams_metric("loss", group="valid")],
        ...     )
        ...     with tfr.with_logdir(tmp_path / "trial1"):
        ...         tfr.log_hparams(optimizer="adam", units=16)
        ...         tfr.log_event(valid={"loss": 0.1})
        ...         tfr.log_hparams_end("success")
    """
    log_event(summary_hparams_config(hparams, metrics, time_created_secs=time_created_secs), step=0)


def summary_hparams(
    hparams: Mapping[str, Any] | None = None,
    /,
    *,
    trial_id: str | None = None,
    time_created_secs: float | None = None,
    **values: Any,
) -> Summary:
    """Make the summary of a session's hyperparameters; its tag is fixed.

    Args:
        hparams: Values by name: numbers, strings, bools (of numpy too). Nested mappings are named with dots.
        trial_id: Sessions of one id are shown as one trial; by default the hash of the values that
            TensorBoard takes.
        time_created_secs: When the session began, seconds since the epoch; now by default.
        values: Further values.

    Raises:
        InvalidEventError: A value that is none of those, or a name given twice.
    """
    flat = flat_hparams({} if hparams is None else hparams, values)
    if trial_id is None:
        trial_id = hash_of(flat)
    elif not isinstance(trial_id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidEventError(f"`trial_id` must be a string, not {type(trial_id).__name__}.")
    start = _time("time_created_secs", time_created_secs)
    return Summary(START_TAG, "hparams", _core.encode_hparams_start(list(flat.items()), trial_id, start))


def log_hparams(
    hparams: Mapping[str, Any] | None = None,
    /,
    *,
    trial_id: str | None = None,
    time_created_secs: float | None = None,
    **values: Any,
) -> None:
    """Log the hyperparameters of a session to the default logdir, once in each.

    Args:
        hparams: Values by name: numbers, strings, bools (of numpy too). Nested mappings are named with dots.
        trial_id: Sessions of one id are shown as one trial; by default the hash of the values that
            TensorBoard takes.
        time_created_secs: When the session began, seconds since the epoch; now by default.
        values: Further values.

    Raises:
        InvalidEventError: A value that is none of those, or a name given twice.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir(tmp_path):
        ...     tfr.log_hparams({"optimizer": {"name": "adam"}}, units=16)
        >>> tfr.collect_hparams(tmp_path).select("optimizer.name", "units").row(0)
        ('adam', 16.0)
    """
    log_event(
        summary_hparams(hparams, trial_id=trial_id, time_created_secs=time_created_secs, **values), step=0
    )


def summary_hparams_end(status: Status = "success", *, time_ended_secs: float | None = None) -> Summary:
    """Make the summary that says how a session ended; its tag is fixed.

    Args:
        status: "success", "failure", "running" or "unknown".
        time_ended_secs: Seconds since the epoch; now by default.

    Raises:
        InvalidEventError: Another status.
    """
    if status not in STATUSES:
        raise InvalidEventError(f"`status` must be one of {', '.join(STATUSES)}, not {status!r}.")
    end = _time("time_ended_secs", time_ended_secs)
    return Summary(END_TAG, "hparams", _core.encode_hparams_end(STATUSES.index(status), end))


def log_hparams_end(status: Status = "success", *, time_ended_secs: float | None = None) -> None:
    """Log how the session in the default logdir ended.

    Args:
        status: "success", "failure", "running" or "unknown".
        time_ended_secs: Seconds since the epoch; now by default.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir(tmp_path / "trial"):
        ...     tfr.log_hparams(units=16)
        ...     tfr.log_hparams_end("failure")
        >>> tfr.collect_hparams(tmp_path / "trial")["status"].item()
        'failure'
    """
    log_event(summary_hparams_end(status, time_ended_secs=time_ended_secs), step=0)


def status_name(number: int) -> Status:
    """The name of TensorBoard's number of a status."""
    return STATUSES[number] if 0 <= number < len(STATUSES) else "unknown"


def flat_hparams(*mappings: Mapping[str, Any]) -> dict[str, Scalar]:
    """Hyperparameters by name, those of nested mappings with dots, as Python's own scalars.

    Raises:
        InvalidEventError: A value that is no number, string or bool, or a name that is given twice.
    """
    flat: dict[str, Scalar] = {}

    def add(prefix: str, mapping: Mapping[str, Any]) -> None:
        for key, value in mapping.items():
            _check_name("name", key)
            name = prefix + key
            if isinstance(value, Mapping):
                add(f"{name}.", value)  # pyright: ignore[reportUnknownArgumentType]
            elif name in flat:
                raise InvalidEventError(f"The hyperparameter {name!r} is given twice; names must be unique.")
            else:
                flat[name] = _scalar(f"the hyperparameter {name!r}", value)

    for mapping in mappings:
        if not isinstance(mapping, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidEventError(
                f"Hyperparameters must be given by name, not as {type(mapping).__name__}; vars() makes a "
                "mapping of an argparse.Namespace or an object."
            )
        add("", mapping)
    return flat


def hash_of(hparams: Mapping[str, Scalar]) -> str:
    """The id that TensorBoard gives a trial of these values."""
    import hashlib
    import json

    text = json.dumps(hparams, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _scalar(what: str, value: Any) -> Scalar:
    """A Python bool, int, float or str out of those of any library."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, bool | str):
        return value if isinstance(value, bool) else str(value)
    if isinstance(value, int | float):
        return _number(what, value)
    raise InvalidEventError(
        f"Can't log {what}: expected a number, a string or a bool, not {type(value).__name__}."
    )


def _number(what: str, value: Any) -> float:
    try:
        float(value)
    except (OverflowError, TypeError, ValueError):
        raise InvalidEventError(f"Can't log {what}: {value!r} is no number that float64 holds.") from None
    return int(value) if isinstance(value, int) else float(value)


def _time(argument: str, seconds: float | None) -> float:
    if seconds is None:
        return time.time()
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidEventError(f"`{argument}` must be seconds since the epoch, not {seconds!r}.")
    return float(seconds)


def _check_name(argument: str, name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise InvalidEventError(f"`{argument}` must be a non-empty string, not {name!r}.")


def _check_texts(**texts: Any) -> None:
    for argument, text in texts.items():
        if not isinstance(text, str | None):
            raise InvalidEventError(f"`{argument}` must be a string or None, not {type(text).__name__}.")


def _check_all(argument: str, maker: str, items: Any, kind: type) -> None:
    if not isinstance(items, Iterable) or not all(isinstance(item, kind) for item in items):  # pyright: ignore[reportUnknownVariableType]
        raise InvalidEventError(f"`{argument}` must be a list of what {maker}() returns.")
