import json
import pickle
import subprocess
import sys

import polars as pl
import pytest

from tfruns_rs import flag_boolean, flag_integer, flag_numeric, flag_string, flags
from tfruns_rs.errors import FlagsError
from tfruns_rs.tfruns import _active


@pytest.fixture(autouse=True)
def workdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def declare(**kwargs):
    return flags(
        flag_numeric("learning_rate", 0.01, "Initial learning rate."),
        flag_integer("max_steps", 5000, "Number of steps to run trainer."),
        flag_string("data_dir", "MNIST-data", "Directory for training data"),
        flag_boolean("fake_data", False, "If true, use fake data for testing"),
        **kwargs,
    )


@pytest.fixture
def active(tmp_path):
    def start(**kwargs):
        run = _active.ActiveRun(str(tmp_path / "run"), **kwargs)
        _active.push(run)
        runs.append(run)

    runs = []
    yield start
    for run in runs:
        _active.pop(run)


def test_a_table_is_shown():
    assert repr(declare()).splitlines() == [
        "name           type     value       description",
        "learning_rate  numeric  0.01        Initial learning rate.",
        "max_steps      integer  5000        Number of steps to run trainer.",
        "data_dir       string   MNIST-data  Directory for training data",
        "fake_data      boolean  FALSE       If true, use fake data for testing",
    ]
    assert declare().to_frame().columns == ["name", "type", "value", "description"]
    assert flags().to_frame().schema["name"] == pl.String
    assert repr(flags(flag_string("a", "x\ny", "two\nlines"))).splitlines()[1:] == [
        "a     string  x y    two lines"
    ]


def test_values_are_read_by_name_and_never_changed():
    found = declare()
    assert found.learning_rate == found["learning_rate"] == 0.01
    with pytest.raises(AttributeError, match="there is no flag 'lr'"):
        _ = found.lr
    with pytest.raises(AttributeError):
        found.learning_rate = 1
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own bytes
    assert found.types["max_steps"] == "integer"
    assert found.descriptions["data_dir"] == "Directory for training data"
    assert found.sources["fake_data"] == "default"


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--learning-rate=0.02"], "learning_rate", 0.02),
        (["--learning_rate", "1e-5"], "learning_rate", 1e-5),
        (["--learning_rate", "-1"], "learning_rate", -1.0),
        (["--learning_rate=.inf"], "learning_rate", float("inf")),
        (["--max-steps=0x10"], "max_steps", 16),
        (["--max-steps=010"], "max_steps", 8),
        (["--max-steps=2.9"], "max_steps", 2),
        (["--max-steps=1e3"], "max_steps", 1000),
        (["--data-dir=a=b"], "data_dir", "a=b"),
        (["--data-dir=true"], "data_dir", "true"),
        (["--data-dir=1.0"], "data_dir", "1.0"),
        (["--data-dir", "-x"], "data_dir", "-x"),
        (["--fake-data"], "fake_data", True),
        (["--fake-data", "--max-steps=1"], "fake_data", True),
        (["--fake-data", "no"], "fake_data", False),
        (["--no-fake-data"], "fake_data", False),
        (["--no-fake_data", "--fake-data"], "fake_data", True),
        *(
            ([f"--fake-data={word}"], "fake_data", True)
            for word in ("true", "yes", "on", "y", "T", "1", "TRUE", "2")
        ),
        *(([f"--fake-data={word}"], "fake_data", False) for word in ("false", "no", "off", "n", "F", "0")),
        (["--max-steps="], "max_steps", 5000),
        (["--max-steps=~"], "max_steps", 5000),
        (["--max-steps=null"], "max_steps", 5000),
        (["--max-steps=1", "--max-steps=2"], "max_steps", 2),
        (["-x", "word", "--max-steps=1"], "max_steps", 1),
        (["--local-rank=3", "--max-steps=1"], "max_steps", 1),
        (["--local_rank", "3", "--max-steps=1"], "max_steps", 1),
    ],
)
def test_the_command_line(arguments, name, value):
    found = declare(arguments=arguments)
    assert found[name] == value
    assert type(found[name]) is type(value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learn-rate=1", "--y", "2"], "The following flags were provided but not declared: learn_rate, y"),
        (["--learn-rate=1"], r"declared: learn_rate \(declared: learning_rate, "),
        (["--max-steps=abc"], "Unable to convert flag 'max_steps' with value 'abc' to type integer"),
        (["--learning-rate=.nan"], "Unable to convert flag 'learning_rate'"),
        (["--max-steps=.inf"], "Unable to convert flag 'max_steps'"),
        (["--fake-data=maybe"], "Unable to convert flag 'fake_data'"),
        (["--max-steps"], "the flag --max-steps has no value$"),
        (["--data-dir", "--max-steps=1"], "--data-dir has no value; --data-dir=--max-steps=1 would give it"),
        (["--data-dir", "--no-fake-data"], "--data-dir has no value"),
        (["--data-dir", "--args", "x"], "--data-dir has no value"),
        (["--no-max-steps"], "not declared: no_max_steps"),
        (["--max-steps=9223372036854775808"], "Unable to convert flag 'max_steps'"),
        (["--"], "not declared"),
    ],
)
def test_what_can_not_be_is_one_clear_error(arguments, message):
    with pytest.raises(FlagsError, match=message):
        declare(arguments=arguments)


def test_unknown_flags_are_ignored_on_request():
    assert declare(arguments=["--other=1", "--max-steps=2"], unknown="ignore").max_steps == 2
    with pytest.raises(ValueError, match='unknown is "error" or "ignore", not \'warn\''):
        declare(arguments=[], unknown="warn")


def test_definitions_are_checked():
    with pytest.raises(FlagsError, match="A flag named 'a' has already been defined"):
        flags(flag_integer("a", 1), flag_string("a", ""))
    with pytest.raises(FlagsError, match="length > 1"):
        flag_numeric("a", [1, 2])
    with pytest.raises(FlagsError, match="Unable to convert"):
        flag_integer("a", "x")
    with pytest.raises(FlagsError, match="name of a flag"):
        flag_integer("a b", 1)
    with pytest.raises(FlagsError, match="declared by"):
        flags("a")
    assert flags([flag_integer("a", 1), flag_integer("b", 2)]).b == 2
    assert flags(flag_string("with-dash", "x"), arguments=["--with-dash=y"])["with-dash"] == "y"


def test_choices_and_optional_flags():
    choice = flag_string("act", "relu", choices=["relu", "tanh"])
    assert flags(choice, arguments=["--act=tanh"]).act == "tanh"
    with pytest.raises(FlagsError, match="must be one of 'relu', 'tanh'"):
        flags(choice, arguments=["--act=x"])
    assert flags(flag_integer("seed", None)).seed is None
    assert flags(flag_integer("seed", None), arguments=["--seed=1"]).seed == 1


def test_a_flat_file(workdir):
    (workdir / "flags.yml").write_text("learning_rate: 0.02\nfake_data: on\ndata_dir: yes\n")
    found = declare()
    assert (found.learning_rate, found.fake_data, found.data_dir) == (0.02, True, "yes")
    assert found.sources["learning_rate"] == "flags.yml"
    assert declare(arguments=["--learning-rate=1"]).learning_rate == 1


PROFILES = """
default:
  learning_rate: 0.02
  max_steps: 10
small: &small
  max_steps: 1
other:
  inherits: small
  data_dir: there
merged:
  <<: *small
  data_dir: merged
loop:
  inherits: loop
lost:
  inherits: nowhere
"""


def test_configurations(workdir, monkeypatch):
    (workdir / "flags.yml").write_text(PROFILES)
    assert declare().max_steps == 10
    other = declare(config="other")
    assert (other.learning_rate, other.max_steps, other.data_dir) == (0.02, 1, "there")
    assert declare(config="merged").max_steps == 1
    assert declare(config="unknown").max_steps == 10
    monkeypatch.setenv("R_CONFIG_ACTIVE", "small")
    assert declare().max_steps == 1
    monkeypatch.setenv("TFRUNS_CONFIG", "other")
    assert declare().data_dir == "there"
    with pytest.raises(FlagsError, match="inherits from itself"):
        declare(config="loop")
    with pytest.raises(FlagsError, match="not there"):
        declare(config="lost")


def test_names_that_yaml_takes_for_truth_stay_names(workdir):
    (workdir / "flags.yml").write_text("n: 3\ny: 4\non: x\n")
    found = flags(flag_integer("n", 1), flag_integer("y", 1), flag_string("on", ""))
    assert dict(found) == {"n": 3, "y": 4, "on": "x"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [1, 2]", "length > 1"),
        ("default:\n  a: 1\nb: 2", "not declared: default, b"),
        ("- 1", "no mapping"),
        ("a: {", "no YAML"),
        ("a: 1\na: 2", "'a' stands twice"),
        ("[" * 5000, "no YAML"),
        ("a: " + "x" * (1 << 20), "too big"),
        ("a: &a [*a]", "length > 1"),
    ],
)
def test_files_that_can_not_be(workdir, content, message):
    (workdir / "flags.yml").write_text(content)
    with pytest.raises(FlagsError, match=message):
        flags(flag_integer("a", 1))


def test_files_that_say_nothing(workdir):
    (workdir / "flags.yml").write_text("")
    assert declare().max_steps == 5000
    (workdir / "flags.yml").write_text('max_steps: !!int "3"\ndata_dir: !expr Sys.time()\n')
    found = declare()
    assert (found.max_steps, found.data_dir) == (3, "Sys.time()")
    with pytest.warns(UserWarning, match=r"missing.yml does not exist") as warned:
        assert declare(file="missing.yml").max_steps == 5000
    assert warned[0].filename == __file__


def test_empty_configurations_are_configurations(workdir):
    (workdir / "flags.yml").write_text("default:\n  max_steps: 7\nplain:\ntilde: ~\n")
    assert declare().max_steps == 7
    assert declare(config="plain").max_steps == 7
    (workdir / "flags.yml").write_text("max_steps: ~\n")
    assert declare().max_steps == 5000


def test_a_run_gives_values_that_win(active, workdir):
    (workdir / "run.yml").write_text("max_steps: 7\nlearning_rate: 0.7\n")
    (workdir / "own.yml").write_text("max_steps: 8\n")
    active(flags={"learning_rate": 2e-5, "data-dir": "x"}, flags_file="run.yml")
    found = declare(arguments=["--learning-rate=1"])
    assert (found.learning_rate, found.max_steps, found.data_dir) == (2e-5, 7, "x")
    assert found.sources["learning_rate"] == "training_run"
    assert json.loads((workdir / "run/tfruns.d/flags.json").read_text()) == dict(found)
    assert declare(file="own.yml").max_steps == 8


@pytest.mark.parametrize("text", ["", "null", "~", "yes", "1.0"])
def test_a_text_of_a_run_stays_one(active, text):
    active(flags={"data_dir": text, "max_steps": "null"})
    found = declare(arguments=[])
    assert (found.data_dir, found.max_steps) == (text, 5000)


def test_help_lists_the_flags_and_ends(workdir):
    script = workdir / "script.py"
    script.write_text(
        "from tfruns_rs import flags, flag_numeric, flag_string\n"
        "flags(flag_numeric('learning_rate', 0.01, 'Initial rate'), flag_string('x', 'y'))\n"
        "print('went on')\n"
    )
    done = subprocess.run(
        [sys.executable, script, "--args", "--help"], capture_output=True, text=True, check=True
    )
    assert (
        done.stdout == "\nOptions:\n  --learning-rate      Initial rate (0.01)\n  --x                  (y)\n"
    )
