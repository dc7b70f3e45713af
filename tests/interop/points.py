"""The one shape in which every reader's scalars are compared."""

import math
import struct
from typing import NamedTuple


class Point(NamedTuple):
    """One scalar of one run, as some reader gives it."""

    run: str
    tag: str
    step: int
    wall_time: float
    value: float


def as_float32(value: float) -> float:
    """The float32 next to a float64, as a float64: what a reader of `simple_value` sees."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:  # struct refuses what a C cast turns into infinity
        return math.copysign(math.inf, value)


def rounded(points: list[Point]) -> list[Point]:
    """The points as a reader of float32 sees them."""
    return [point._replace(value=as_float32(point.value)) for point in points]


def comparable(points: list[Point]) -> list[tuple[str, str, int, str, str]]:
    """Points sorted, floats as hex: NaN equals NaN, -0.0 differs from 0.0, and nothing is rounded away."""
    return sorted((p.run, p.tag, p.step, p.wall_time.hex(), p.value.hex()) for p in points)
