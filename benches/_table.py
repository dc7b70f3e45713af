"""One table for all comparisons: what was done, what the peer took, what we took, and the ratio."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One comparison, or one figure of ours alone when there is no peer.

    Attributes:
        work: What was done.
        unit: The unit of both figures; "/s" at its end says that more is better.
        ours: Our figure.
        peer: Who else did it.
        theirs: The peer's figure.
        goal: The figure to reach, as text.
        note: What a reader must know to judge the row.
    """

    work: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    goal: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is."""
        if self.theirs is None:
            return None
        return self.ours / self.theirs if self.unit.endswith("/s") else self.theirs / self.ours


def significant(figure: float) -> str:
    """Three significant digits, no exponent."""
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"


def show(title: str, rows: Iterable[Row]) -> None:
    """Print the rows as one table, each as soon as nothing is left to measure."""
    table = Table(title=title, title_justify="left")
    for name in ("work", "peer", "unit", "theirs", "ours", "ratio", "goal", "note"):
        table.add_column(name, justify="right" if name in {"theirs", "ours", "ratio"} else "left")
    for row in rows:
        table.add_row(
            row.work,
            row.peer,
            row.unit,
            "" if row.theirs is None else significant(row.theirs),
            significant(row.ours),
            "" if row.ratio is None else f"{significant(row.ratio)} x",
            row.goal,
            row.note,
        )
    Console(width=None if Console().is_terminal else 200).print(table)
