"""The command as a whole: its verbs, its help, its exit codes, its start."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli.command import TFRUNS, at_terminal, make_run
from tfruns_rs.cli._app import VERBS, tfruns

ALL = {verb: text for verbs in VERBS.values() for verb, (_, text) in verbs.items()}
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("verb", ALL)
def test_help_has_examples_and_says_what_the_list_says(call, verb):
    text = call(verb, "--help").output
    assert "Examples:\n" in text
    command = tfruns.get_command(click.Context(tfruns), verb)
    assert command.name == verb
    assert command.help.split()[0] == ALL[verb].split()[0]


def test_examples_are_calls_that_parse():
    """Every line of an example names a verb and only options that it has."""
    checked = 0
    for verb in ALL:
        command = tfruns.get_command(click.Context(tfruns), verb)
        options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        for line in re.findall(rf"^ *(?:\w+=\S+ )?tfruns {verb} (.*)$", command.help, re.MULTILINE):
            words = f" {line}".partition(" | ")[0].partition(" -- ")[0]
            for option in re.findall(r"(?:^| )(--?[a-z-]+)", words):
                assert option in options, line
                checked += 1
    assert checked > 20


def test_start_imports_nothing_heavy():
    heavy = ("polars", "numpy", "rich", "yaml", "altair", "asyncio")
    code = f"""
import sys
from tfruns_rs.cli._app import tfruns
try:
    tfruns.main(["--help"], prog_name="tfruns")
except SystemExit:
    pass
found = {heavy!r}
assert not [name for name in found if name in sys.modules], [n for n in found if n in sys.modules]
assert "tfruns_rs.cli._ls" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_entry_point_is_installed():
    manifest = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'tfruns = "tfruns_rs.cli._app:main"' in manifest


def test_exit_codes(call, runs):
    call("ls")
    call("ls", "--no-such", code=2)
    call("nonsense", code=2)
    assert "Did you mean tail" in call("tial", code=2).output
    call("show", "nothing", code=3)
    call("verify", "nowhere", code=3)
    call("ls", "--filter", "nonsense = 1", code=2)
    call("ls", "--filter", "drop table", code=1)
    call("ls", "--best", "loss", code=2)
    call("diff", runs[0], runs[0])
    call("diff", runs[0], runs[1], code=1)


@pytest.mark.usefixtures("runs")
def test_an_error_is_a_line_without_traceback():
    done = subprocess.run([*TFRUNS, "show", "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("Error: there is no run nothing")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_version(call):
    import tfruns_rs

    assert call("--version").output == f"tfruns {tfruns_rs.__version__}\n"


def test_a_reader_that_leaves_is_no_error():
    for index in range(300):
        make_run(1.0, name=f"run-{index:04}", note="x" * 2000)
    for words in (["ls"], ["ls", "--json"], ["ls", "--csv"], ["ls", "--names"]):
        reader, writer = os.pipe()
        process = subprocess.Popen([*TFRUNS, *words], stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        os.read(reader, 10)
        os.close(reader)
        _, said = process.communicate(timeout=60)
        assert said == b""
        assert process.returncode in {0, 141}, words


@pytest.mark.usefixtures("runs")
def test_no_colours_in_a_pipe_and_none_where_unwanted():
    done = subprocess.run([*TFRUNS, "ls"], capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout
    assert done.stdout.count("\n") == 4
    assert {line.count("\t") for line in done.stdout.splitlines()} == {done.stdout.split("\n")[0].count("\t")}
    coloured, _ = at_terminal(["ls"])
    assert "\x1b[32m" in coloured
    plain, _ = at_terminal(["ls"], environment={"NO_COLOR": "1"})
    assert "\x1b" not in plain
    dumb, _ = at_terminal(["ls"], environment={"TERM": "dumb"})
    assert "\x1b" not in dumb


@pytest.mark.parametrize("columns", [40, 80, 140])
@pytest.mark.parametrize("words", [["ls"], ["du"], ["doctor"], ["events", "latest"], ["show"]])
@pytest.mark.usefixtures("runs")
def test_lines_fit_the_terminal(words, columns):
    text, code = at_terminal(words, columns)
    assert code == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert len(lines) >= 3
    too_wide = [line for line in lines if len(line) > columns]
    assert not too_wide


@pytest.mark.usefixtures("runs")
def test_ascii_streams_take_what_they_can():
    done = subprocess.run(
        [*TFRUNS, "show"], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True
    )
    assert done.stdout.isascii()
    assert b"loss" in done.stdout


def test_completion(call, runs):
    for shell in ("bash", "zsh", "fish"):
        assert "_TFRUNS_COMPLETE" in call("completion", shell).output
    completed = subprocess.run(
        TFRUNS,
        env={
            **os.environ,
            "_TFRUNS_COMPLETE": "bash_complete",
            "_PYTHON__M_TFRUNS_RS_CLI_COMPLETE": "bash_complete",
            "COMP_WORDS": "tfruns show 2",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert sorted(completed.stdout.split()) == sorted(f"plain,{run.name}" for run in runs)
