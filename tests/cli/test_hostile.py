"""Names and texts of runs are other people's: none reaches the terminal as a control character."""

import json
import re
from pathlib import Path

import polars as pl
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

import tfruns_rs as tfr
from cli.command import at_terminal, make_run
from tfruns_rs.cli import _out
from tfruns_rs.cli._app import tfruns

HOSTILE = [
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "a\nb",
    "a\rb",
    "\x9b31m",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "tab\there",
    "\x7f\x08\x08",
    "wide 漢字 🦀",
]
UNSAFE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
OURS = re.compile(r"\x1b\[[0-9;]*m|\r\n")


def hostile_runs():
    for index, name in enumerate(HOSTILE):
        run = make_run(1.0, name=f"{index} {name}".replace("/", "_"), text=name)
        tfr.write_run_metadata("properties", {"note": name, "output": f"console {name}"}, run)
        with tfr.with_logdir(run / "logs"):
            tfr.log_event({f"tag {name}": 1.0})
    tfr.flush()


def test_no_verb_writes_a_control_character():
    hostile_runs()
    names = sorted(path.name for path in Path("runs").iterdir())
    data = [["ls", "--csv"], ["events", "runs", "--format", "csv"], ["show", names[0], "--console"]]
    tables = [["ls"], ["ls", "-n", "0", "-c", "*"], ["ls", "--names"], ["ls", "--json"], ["du"], ["doctor"]]
    tables += [["show", names[0], "--json"], ["tail", "runs", "--once"], ["verify", names[1]]]
    tables += [[verb, name] for name in names for verb in ("show", "events")]
    looked = 0
    for words in tables:
        piped = CliRunner().invoke(tfruns, words).output.replace("\t", "")
        assert not UNSAFE.search(piped), words
        looked += len(piped)
    # At a terminal data is shown as safely as tables; a pipe gets it as it is.
    for words in (*data, ["ls"], ["du"], ["show", names[0]], ["tail", "runs", "--once"]):
        shown, _ = at_terminal(words, 140)
        text = OURS.sub("", shown)
        text = re.sub(r"\x1b\[(\?25[lh]|\d*[AK]|\?7[lh])|\r", "", text) if words[0] == "tail" else text
        assert not UNSAFE.search(text.replace("\t", "")), words
        looked += len(text)
    assert looked > 10_000


def test_an_error_about_a_hostile_name_is_plain(call):
    make_run(1.0, name="a\x1b[31mb")
    shown = call("show", "a\x1b[31mc", code=3).output
    assert "\x1b" not in shown
    assert "\\x1b[31mc" in shown


def test_json_is_valid_and_exact(call):
    hostile_runs()
    rows = json.loads(call("ls", "--json").stdout)
    assert sorted(row["flag_text"] for row in rows) == sorted(HOSTILE)
    one = json.loads(call("show", rows[0]["run_dir"], "--json").stdout)
    assert one["flag_text"] == rows[0]["flag_text"]


@given(st.text(alphabet=st.characters(), max_size=40))
def test_plain_and_json_hold_for_any_text(text):
    shown = _out.plain(text)
    assert not UNSAFE.search(shown)
    assert "\n" not in shown
    assert json.loads(_out.to_json({"k": text}))["k"] == text
    assert not UNSAFE.search(_out.to_json(text))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60), st.integers(8, 50))
def test_fitted_fits(text, columns):
    shown = _out.fitted(_out.plain(text), columns)
    assert _out.cells(shown) == columns


def test_special_numbers_are_valid_json(call):
    run = make_run(1.0, name="special")
    tfr.write_run_metadata("evaluation", {"a": float("nan"), "b": float("inf"), "c": -float("inf")}, run)
    (row,) = json.loads(call("ls", "--json").stdout)
    assert (row["eval_a"], row["eval_b"], row["eval_c"]) == ("NaN", "Inf", "-Inf")


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.none(), max_size=300), st.integers(1, 60))
@example([1.7e308] * 7, 2)
@example([1.7e308, -1.7e308], 2)
def test_sparklines_fit_and_never_fail(values, columns):
    line = _out.spark(values, columns)
    assert len(line) <= columns


def test_csv_of_nested_columns():
    frame = pl.DataFrame({"a": [[1, 2], None], "b": [{"x": b"\xff"}, {"x": None}]})
    text = _out.flat(frame).write_csv()
    assert text.splitlines()[1].startswith('"[1, 2]"')
