import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tfruns_rs as tfr
from interop.python_loader import event_files, events, raw_scalars, run_name
from tfruns_rs.errors import InvalidEventError, TfrunsError


@pytest.fixture
def logdir(tmp_path):
    with tfr.with_logdir(tmp_path / "logs") as path:
        yield path


def points(logdir):
    tfr.flush()
    return [(point.run, point.tag, point.step, point.value) for point in raw_scalars(logdir)]


def test_names_are_tags_and_mappings_are_runs(logdir):
    tfr.log_event(loss=1, train={"loss": 2.5, "deep": {"er": True}}, valid={"a/b": 4})
    assert sorted(points(logdir)) == [
        (".", "loss", 0, 1.0),
        ("train", "loss", 0, 2.5),
        ("train/deep", "er", 0, 1.0),
        ("valid", "a/b", 0, 4.0),
    ]


def test_a_logdir_with_nested_names_only_has_no_file_of_its_own(logdir):
    tfr.log_event(train={"loss": 1.0})
    assert [run_name(file, logdir) for file in event_files(logdir)] == ["train"]


def test_leaves_of_a_call_share_step_and_time(logdir):
    for _ in range(3):
        tfr.log_event({"x": 1}, train={"y": 2, "z": {"w": 3}})
    tfr.flush()
    calls = {}
    for point in raw_scalars(logdir):
        calls.setdefault(point.step, set()).add(point.wall_time)
    assert sorted(calls) == [0, 1, 2]
    assert all(len(times) == 1 for times in calls.values())


def test_explicit_steps_leave_the_counter_alone(logdir):
    tfr.log_event(a=1.0, step=100)
    tfr.log_event(a=1.0, step=np.int64(101))
    tfr.log_event(b=1.0)
    tfr.log_event(b=1.0, step=-3, wall_time=12.25)
    assert points(logdir) == [
        (".", "a", 100, 1.0),
        (".", "a", 101, 1.0),
        (".", "b", 0, 1.0),
        (".", "b", -3, 1.0),
    ]
    assert raw_scalars(logdir)[-1].wall_time == 12.25


def test_names_that_are_no_keywords_go_through_a_mapping(logdir):
    tfr.log_event({"step": 1.0, "a tag": 2.0}, {"data": 3.0}, self=4.0)
    assert [tag for _, tag, _, _ in points(logdir)] == ["step", "a tag", "data", "self"]


def test_text_and_summaries(logdir):
    tfr.log_event(note="héllo", train={"note": "x"})
    tfr.log_event(tfr.summary_scalar(3, tag="s"), named=tfr.summary_text("y"))
    tfr.flush()
    found = {
        (run_name(file, logdir), value.tag): (event.step, value.metadata.plugin_data.plugin_name)
        for file in event_files(logdir)
        for event in events(file)
        for value in event.summary.value
    }
    assert found == {
        (".", "note"): (0, "text"),
        ("train", "note"): (0, "text"),
        (".", "s"): (1, "scalars"),
        (".", "named"): (1, "text"),
    }


@pytest.mark.parametrize("value", [0.1, -0.0, 7, True, "some text", "", float("nan"), 1e300])
def test_the_fast_way_writes_what_the_general_way_writes(tmp_path, value):
    def value_bytes(log, logdir):
        with tfr.with_logdir(logdir):
            log()
        tfr.flush()
        (file,) = event_files(logdir)
        return [event.summary.value[0].SerializeToString() for event in events(file) if event.summary.value]

    fast = value_bytes(lambda: tfr.log_event(x=value), tmp_path / "fast")
    (event,) = tfr.as_event({"x": value}, 0, 1.0)
    general = value_bytes(lambda: tfr.log_event(event.summary), tmp_path / "general")
    assert fast == general
    assert len(fast) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"x": None},
        {"x": [1.0]},
        {"x": [1.0, 2.0]},
        {"x": np.zeros(3)},
        {"x": object()},
        {"x": 1j},
        {"x": {}},
        {"": 1.0},
        {1: 1.0},
        {"..": {"x": 1.0}},
        {"/abs": {"x": 1.0}},
        {"a//b": {"x": 1.0}},
        {"a": {"../b": {"x": 1.0}}},
        {"x": 10**400},
    ],
    ids=repr,
)
def test_one_bad_leaf_and_nothing_is_written(logdir, bad):
    with pytest.raises(InvalidEventError) as error:
        tfr.log_event({"good": 1.0, **bad})
    assert isinstance(error.value, TfrunsError)
    assert isinstance(error.value, ValueError)
    tfr.log_event(after=1.0)
    assert points(logdir) == [(".", "after", 0, 1.0)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"step": 1.5},
        {"step": "7"},
        {"step": 2**63},
        {"wall_time": float("nan")},
        {"wall_time": float("inf")},
    ],
    ids=repr,
)
def test_bad_steps_and_times(logdir, arguments):
    with pytest.raises(InvalidEventError):
        tfr.log_event(x=1.0, **arguments)
    with pytest.raises(InvalidEventError):
        tfr.log_event(tfr.summary_scalar(1, tag="x"), **arguments)
    assert points(logdir) == []


def test_a_call_without_values_or_with_a_name_twice(logdir):
    tagged = tfr.summary_scalar(1, tag="a")
    for arguments, names in [
        ((), {}),
        (({},), {}),
        (({"a": 1},), {"a": 2}),
        ((tagged,), {"a": 2}),
        ((tagged, tagged), {}),
        ((None, {"a": 1}), {}),
    ]:
        with pytest.raises(InvalidEventError):
            tfr.log_event(*arguments, **names)
    with pytest.raises(InvalidEventError):
        tfr.log_event(tfr.summary_scalar(1))
    assert points(logdir) == []


def test_steps_are_managed_a_logdir(tmp_path):
    with tfr.with_logdir(tmp_path / "a"):
        assert tfr.get_global_step(False) == -1
        assert tfr.get_global_step() == 0
        tfr.log_event(x=1.0)
        assert tfr.get_global_step(False) == 1
        assert tfr.set_global_step(100) == 1
        assert tfr.get_global_step() == 101
        tfr.log_event(x=1.0)
    with tfr.with_logdir(tmp_path / "b"):
        assert tfr.get_global_step() == 0
    with tfr.with_logdir(str(tmp_path / "a") + "/."):
        assert tfr.get_global_step() == 103
    tfr.flush()
    assert [step for _, _, step, _ in points(tmp_path / "a")] == [1, 102]


def test_a_counter_goes_on_after_the_events_of_another_process(tmp_path):
    script = (
        "import sys, tfruns_rs as tfr; tfr.set_default_logdir(sys.argv[1])\n"
        "for _ in range(5): tfr.log_event(run={'x': 1.0})"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert sorted(step for _, _, step, _ in points(tmp_path)) == list(range(10))


def test_importing_loads_neither_polars_nor_numpy():
    script = "import sys, tfruns_rs; sys.exit(bool({'numpy', 'polars', 'dataclasses'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_mapping_that_holds_itself(logdir):
    endless = {}
    endless["again"] = endless
    for arguments, names in [((endless,), {}), ((), {"x": endless})]:
        with pytest.raises(InvalidEventError, match="nested more than 100"):
            tfr.log_event(*arguments, **names)
    assert points(logdir) == []


def test_a_mapping_of_mappings_is_a_directory_and_no_run(logdir):
    tfr.log_event(a={"b": {"x": 1.0}})
    tfr.flush()
    assert {path.parent for path in Path(logdir).rglob("*tfevents*")} == {Path(logdir, "a", "b")}
