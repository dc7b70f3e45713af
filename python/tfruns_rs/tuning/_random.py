"""Random search: each flag drawn by itself. A seed's n-th combination is the same wherever it is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs.errors import FlagsError
from tfruns_rs.tfruns import _json
from tfruns_rs.tuning._combinations import values_of
from tfruns_rs.tuning._search import Asked, Request

if TYPE_CHECKING:
    import numpy as np

    from tfruns_rs.tuning._sweep import Sweep

    Draw = Callable[[np.random.Generator], Any]


class Drawn(Asked):
    """Combinations drawn from a space."""

    def __init__(self, sweep: Sweep, request: Request) -> None:
        super().__init__(sweep, request)
        self._seed = int(sweep.about["seed"])
        space = cast("Mapping[str, Any]", request.flags)
        self._draws = {str(name): _draw_of(str(name), what) for name, what in space.items()}

    def make(self, number: int) -> dict[str, Any]:
        """Draws every flag."""
        import numpy as np

        generator = np.random.default_rng([self._seed, number])
        drawn = {name: _json.plain(draw(generator)) for name, draw in self._draws.items()}
        return {"flags": {name: value for name, value in drawn.items() if value is not None}}


def _draw_of(name: str, what: Any) -> Draw:
    """How to draw a flag: from values, a frozen SciPy or an Optuna distribution, or by a function."""
    if hasattr(what, "rvs"):
        return lambda generator: what.rvs(random_state=generator)
    if hasattr(what, "low") and hasattr(what, "high"):
        return _between(what)
    if hasattr(what, "choices"):
        what = what.choices
    if callable(what):
        return cast("Draw", what)
    if not isinstance(what, Sequence) and not hasattr(what, "__iter__"):
        raise FlagsError(
            f"flag '{name}' is drawn from {what!r}; a search takes values, a distribution of SciPy or "
            "Optuna, or a function of a numpy Generator"
        )
    values = values_of(name, what)
    return lambda generator: values[int(generator.integers(len(values)))]


def _between(what: Any) -> Draw:
    """Optuna's distributions of numbers: uniform, or uniform in the logarithm, both ends included."""
    low, high, step = what.low, what.high, what.step
    is_whole = isinstance(low, int) and isinstance(high, int)

    def draw(generator: np.random.Generator) -> Any:
        if what.log:
            # A whole number owns half a unit on either side of it.
            edges = (low - 0.5, high + 0.5) if is_whole else (low, high)
            value = float(math.exp(generator.uniform(math.log(edges[0]), math.log(edges[1]))))
            return min(max(round(value), low), high) if is_whole else min(max(value, low), high)
        if step is not None:
            count = int((high - low) / step + 1e-9) + 1
            return low + step * int(generator.integers(count))
        return float(generator.uniform(low, high))

    return draw
