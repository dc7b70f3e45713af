"""The page of figures in the documentation: what `make bench` measured, where, and with which versions."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from _table import Row, significant

PAGE = Path(__file__).parent.parent / "docs" / "figures.md"
PEERS = (
    "tfruns-rs",
    "polars",
    "numpy",
    "tensorboard",
    "tensorboard-data-server",
    "tensorboardX",
    "tbparse",
    "mlflow",
)


def write_page(measured: Mapping[str, Sequence[Row]]) -> None:
    """Write the tables, a section a comparison."""
    machine = f"{processor()}, {os.cpu_count()} cores, {memory_gib():.0f} GiB"
    system = f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    lines = [
        "# Figures",
        "",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}. How to read it: [Numbers](numbers.md).",
        "",
        f"Machine: {machine}; {system}.",
        "",
        f"Versions: {', '.join(versions())}.",
    ]
    for title, rows in measured.items():
        lines += ["", f"## {title}", "", "| work | peer | unit | theirs | ours | ratio | goal | note |"]
        lines += ["|---|---|---|---:|---:|---:|---|---|", *(as_markdown(row) for row in rows)]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def as_markdown(row: Row) -> str:
    """A row of a Markdown table."""
    theirs = "" if row.theirs is None else significant(row.theirs)
    ratio = "" if row.ratio is None else f"{significant(row.ratio)} x"
    cells = (row.work, row.peer, row.unit, theirs, significant(row.ours), ratio, row.goal, row.note)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory_gib() -> float:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def versions() -> Iterator[str]:
    """What was measured."""
    for name in PEERS:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} not installed"
