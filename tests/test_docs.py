"""Every example in a docstring or in README.md runs."""

import ast
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


def test_docstrings_of_the_stub(tmp_path):
    """What is compiled is documented in its stub."""
    stub = ROOT / "python/tfruns_rs/_core.pyi"
    described = [
        text
        for node in ast.walk(ast.parse(stub.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node))
    ]
    examples = doctest.DocTestParser()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for text in described:
        runner.run(examples.get_doctest(text, {"tmp_path": tmp_path}, str(stub), None, None))
    assert runner.tries > 5
    assert runner.failures == 0


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


def test_every_public_name_is_in_the_reference():
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs/reference").glob("*.md"))
    described = re.findall(r"^::: tfruns_rs(?:\._core)?\.(\w+)$", pages, re.MULTILINE)
    assert len(described) > 50
    assert sorted(described) == sorted({*tfruns_rs.__all__, "options", "value"})


def test_every_page_can_be_found():
    """Each page is in the navigation; decisions are in their index instead."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    decisions = (ROOT / "docs/decisions/index.md").read_text(encoding="utf-8")
    pages = [
        page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.is_relative_to(ROOT / "docs")
    ]
    assert len(pages) > 10
    for page in pages:
        folder, _, name = page.rpartition("/")
        listed = decisions if folder == "decisions" and name != "index.md" else navigation
        assert (name if listed is decisions else page) in listed, page
