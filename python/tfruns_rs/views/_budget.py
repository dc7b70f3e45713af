"""How much of a run goes into a page: 1.5 MB and the run's own pictures, however long it trained.

A page is rendered with these amounts; if it comes out larger than `PAGE_BYTES`, it is rendered again with
half of them. What was left out is said on the page, next to what was kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

PAGE_BYTES: Final = 1_500_000
"""The largest page, less its pictures."""

MEDIA_BYTES: Final = 16_000_000
"""The most that the pictures of a page may add."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Amounts for one page.

    Attributes:
        points: Points of all charts together.
        series_points: Points of one series.
        charts: Charts of one section.
        console_chars: Characters of a console; the middle is left out.
        source_chars: Characters of all source files together.
        highlighted_chars: How many of those are coloured; colours cost about four times the text.
        images: Pictures logged as events.
        texts: Texts logged as events.
        text_chars: Characters of one such text.
        files: Artifacts listed by name.
        diff_chars: Characters of all diffs of a comparison together.
    """

    points: int = 20_000
    series_points: int = 1_000
    charts: int = 200
    console_chars: int = 200_000
    source_chars: int = 160_000
    highlighted_chars: int = 60_000
    images: int = 48
    texts: int = 100
    text_chars: int = 4_000
    files: int = 500
    diff_chars: int = 200_000

    def halved(self) -> Budget:
        """The same page at about half the size."""
        return replace(
            self,
            points=self.points // 2,
            series_points=max(50, self.series_points // 2),
            charts=max(10, self.charts // 2),
            console_chars=self.console_chars // 2,
            source_chars=self.source_chars // 2,
            highlighted_chars=self.highlighted_chars // 2,
            texts=max(5, self.texts // 2),
            text_chars=max(500, self.text_chars // 2),
            files=max(50, self.files // 2),
            diff_chars=self.diff_chars // 2,
        )
