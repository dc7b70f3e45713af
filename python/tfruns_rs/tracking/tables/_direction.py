"""Which way a metric is better: as the user says, else as its name does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

import polars as pl

from tfruns_rs.tracking.tables._schema import ColumnSchema, known_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

Direction: TypeAlias = Literal["min", "max"]

_WORDS = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+\d*")
_SMALLER = re.compile(r"loss|nll|err(ors?)?|mae|mse|rmse|mape|perplexity|ppl|cer|wer|distance|residual")
_LARGER = re.compile(
    r"acc(uracy)?|correct|[mgdc]?iou|dice|f1|precision|recall|au(ro)?c|m?ap|score|psnr|ssim|bleu|rouge|confidence"
    r"|likelihood|reward"
)
_NO_METRICS = {"example_id", "foreign_key", "label", "epoch", "iteration", "sample_weight", "index"}


def metrics_of(types: Mapping[str, pl.DataType], schemas: Mapping[str, ColumnSchema]) -> list[str]:
    """The columns that measure something: numbers and truth values, but no ids, labels and counters."""
    return [
        name
        for name, dtype in types.items()
        if (dtype.is_numeric() or dtype == pl.Boolean)
        and (schemas[name] if name in schemas else known_schema(name)).role not in _NO_METRICS
    ]


def better_of(name: str) -> Direction | None:
    """Whether a metric of this name is better when it is smaller or larger; None if the name does not say."""
    words = [name.lower(), *(word.lower() for word in _WORDS.findall(name))]
    if any(map(_SMALLER.fullmatch, words)):
        return "min"
    return "max" if any(map(_LARGER.fullmatch, words)) else None
