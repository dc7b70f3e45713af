"""Every example in a docstring or in README.md runs."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import tfruns_rs

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def modules():
    """Name every module of the package that a bare install can import."""
    for module in pkgutil.walk_packages(tfruns_rs.__path__, "tfruns_rs."):
        if not module.name.endswith(("__main__", "._core")):
            yield module.name


@pytest.mark.parametrize("name", list(modules()))
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"tfr": tfruns_rs, "tmp_path": tmp_path}
    outcome = doctest.testmod(importlib.import_module(name), extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert outcome.failed == 0


def test_some_docstrings_have_examples():
    finder = doctest.DocTestFinder()
    examples = [
        example
        for name in modules()
        for test in finder.find(importlib.import_module(name))
        for example in test.examples
    ]
    assert len(examples) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages(page, tmp_path, monkeypatch):
    """The Python blocks of a page, in order, are one script."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    script = "\n".join(blocks)
    exec(compile(script, str(page), "exec"), {"__name__": "__main__"})  # noqa: S102 - our own pages
