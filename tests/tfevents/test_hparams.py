import argparse
import pickle
import re

import numpy as np
import pytest
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2, summary_v2

import tfruns_rs as tfr
from tfevents.tensorboard_reader import Reader
from tfevents.wire import parse
from tfruns_rs.errors import InvalidEventError


def content(summary):
    value = parse(summary)
    assert value.metadata.plugin_data.plugin_name == "hparams"
    assert value.tensor.dtype == 1
    assert [dim.size for dim in value.tensor.tensor_shape.dim] == [0]
    return plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)


VALUES = {"a": 1, "b": "x", "c": True, "d": 0.25, "e": -3, "z": ""}


def test_session_is_what_tensorboard_writes():
    ours = content(tfr.summary_hparams(VALUES, time_created_secs=1.5))
    (theirs,) = summary_v2.hparams_pb(VALUES, start_time_secs=1.5).value
    assert ours == plugin_data_pb2.HParamsPluginData.FromString(theirs.metadata.plugin_data.content)
    assert tfr.summary_hparams(VALUES).tag == theirs.tag


def test_trial_is_the_hash_that_tensorboard_takes():
    golden = "dee7f58fdfcded1b71c209e3b39a463ad740b8b57103ea743b4e4adfbcfbadb5"
    assert content(tfr.summary_hparams(a=1, b="x", c=True)).session_start_info.group_name == golden
    assert content(tfr.summary_hparams(c=True, b="x", a=1)).session_start_info.group_name == golden
    numpy = {"a": np.int64(1), "b": np.str_("x"), "c": np.bool_(True)}
    assert content(tfr.summary_hparams(numpy)).session_start_info.group_name == golden
    assert content(tfr.summary_hparams(a=1, trial_id="mine")).session_start_info.group_name == "mine"


def test_nested_hparams_are_named_with_dots():
    summary = tfr.summary_hparams({"model": {"layers": 2, "act": {"name": "relu"}}}, lr=0.5)
    assert tfr.value(summary) == {"lr": 0.5, "model.act.name": "relu", "model.layers": 2.0}


def test_experiment_is_what_tensorboard_writes():
    ours = content(
        tfr.summary_hparams_config(
            [
                tfr.hparams_hparam("lr", {"min_value": 0.1, "max_value": 0.5}, description="rate"),
                tfr.hparams_hparam("opt", ["a", "b"], display_name="optimizer"),
                tfr.hparams_hparam("units", [8, 16]),
                tfr.hparams_hparam("cnn", [False, True]),
                tfr.hparams_hparam("one", ["only"]),
                tfr.hparams_hparam("any"),
            ],
            [
                tfr.hparams_metric("loss"),
                tfr.hparams_metric("acc", group="valid", dataset_type="validation", display_name="accuracy"),
                tfr.hparams_metric("acc", "train", dataset_type="training", description="of training"),
            ],
            time_created_secs=7.5,
        )
    )
    hp = summary_v2
    (theirs,) = hp.hparams_config_pb(
        hparams=[
            hp.HParam("lr", hp.RealInterval(0.1, 0.5), description="rate"),
            hp.HParam("opt", hp.Discrete(["a", "b"]), display_name="optimizer"),
            hp.HParam("units", hp.Discrete([8.0, 16.0])),
            hp.HParam("cnn", hp.Discrete([False, True])),
            hp.HParam("one", hp.Discrete(["only"])),
            hp.HParam("any"),
        ],
        metrics=[
            hp.Metric("loss"),
            hp.Metric("acc", group="valid", dataset_type=hp.Metric.VALIDATION, display_name="accuracy"),
            hp.Metric("acc", group="train", dataset_type=hp.Metric.TRAINING, description="of training"),
        ],
        time_created_secs=7.5,
    ).value
    assert ours == plugin_data_pb2.HParamsPluginData.FromString(theirs.metadata.plugin_data.content)


@pytest.mark.parametrize("status", ["unknown", "success", "failure", "running"])
def test_end(status):
    end = content(tfr.summary_hparams_end(status, time_ended_secs=9.5)).session_end_info
    assert api_pb2.Status.Name(end.status) == f"STATUS_{status.upper()}"
    assert tfr.value(tfr.summary_hparams_end(status, time_ended_secs=9.5)) == {
        "status": status,
        "end_time_secs": 9.5,
    }


def log_experiment(logdir):
    with tfr.with_logdir(logdir):
        tfr.log_hparams_config(
            [
                tfr.hparams_hparam("dropout", {"min_value": 0.1, "max_value": 0.5}),
                tfr.hparams_hparam("optimizer", ["adam", "sgd"]),
                tfr.hparams_hparam("cnn", [True, False]),
                tfr.hparams_hparam("units", [8, 16]),
            ],
            [tfr.hparams_metric("loss"), tfr.hparams_metric("acc", group="valid", dataset_type="validation")],
        )
    for i, optimizer in enumerate(["adam", "sgd", "adam"]):
        with tfr.with_logdir(logdir / f"trial{i}"):
            tfr.log_hparams(dropout=0.125 * (i + 1), optimizer=optimizer, cnn=i == 1, units=8)
            for epoch in range(3):
                tfr.log_event(loss=i + 0.5**epoch, valid={"acc": i + epoch / 4}, step=epoch)
            if i < 2:
                tfr.log_hparams_end("failure" if i else "success")


def test_tensorboard_lists_the_experiment(tmp_path):
    log_experiment(tmp_path)
    reader = Reader(tmp_path)
    experiment = reader.experiment()
    infos = {info.name: info for info in experiment.hparam_infos}
    assert {name: api_pb2.DataType.Name(info.type) for name, info in infos.items()} == {
        "dropout": "DATA_TYPE_FLOAT64",
        "optimizer": "DATA_TYPE_STRING",
        "cnn": "DATA_TYPE_BOOL",
        "units": "DATA_TYPE_FLOAT64",
    }
    interval = infos["dropout"].domain_interval
    assert (interval.min_value, interval.max_value) == (0.1, 0.5)
    assert [v.string_value for v in infos["optimizer"].domain_discrete.values] == ["adam", "sgd"]
    assert [(info.name.group, info.name.tag) for info in experiment.metric_infos] == [
        ("", "loss"),
        ("valid", "acc"),
    ]
    rows = {}
    for group in reader.sessions():
        (session,) = group.sessions
        rows[session.name] = (
            {name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()},
            {(m.name.group, m.name.tag): (m.value, m.training_step) for m in session.metric_values},
            api_pb2.Status.Name(session.status),
        )
    assert rows == {
        f"trial{i}": (
            {"dropout": 0.125 * (i + 1), "optimizer": optimizer, "cnn": i == 1, "units": 8.0},
            {("", "loss"): (i + 0.25, 2), ("valid", "acc"): (i + 0.5, 2)},
            status,
        )
        for i, (optimizer, status) in enumerate(
            [("adam", "STATUS_SUCCESS"), ("sgd", "STATUS_FAILURE"), ("adam", "STATUS_UNKNOWN")]
        )
    }


def test_tensorboard_lists_sessions_without_a_description(tmp_path):
    for i in range(2):
        with tfr.with_logdir(tmp_path / f"trial{i}"):
            tfr.log_hparams(lr=0.5 * i, name=f"n{i}")
            tfr.log_event(loss=0.5)
    reader = Reader(tmp_path)
    assert sorted(info.name for info in reader.experiment().hparam_infos) == ["lr", "name"]
    assert sorted(group.hparams["lr"].number_value for group in reader.sessions()) == [0, 0.5]


def test_sessions_of_one_trial_are_one_group(tmp_path):
    for i in range(2):
        with tfr.with_logdir(tmp_path / f"repeat{i}"):
            tfr.log_hparams(lr=0.5)
    (group,) = Reader(tmp_path).sessions()
    assert sorted(session.name for session in group.sessions) == ["repeat0", "repeat1"]


def test_collect_hparams(tmp_path):
    log_experiment(tmp_path)
    frame = tfr.collect_hparams(tmp_path)
    assert frame.columns == [
        *(
            "run",
            "trial",
            "status",
            "started",
            "ended",
            "cnn",
            "dropout",
            "optimizer",
            "units",
            "loss",
            "valid/acc",
        )
    ]
    assert frame.drop("trial", "started", "ended").rows() == [
        ("trial0", "success", False, 0.125, "adam", 8.0, 0.25, 0.5),
        ("trial1", "failure", True, 0.25, "sgd", 8.0, 1.25, 1.5),
        ("trial2", "unknown", False, 0.375, "adam", 8.0, 2.25, 2.5),
    ]
    assert frame["started"].null_count() == 0
    assert frame["ended"].null_count() == 1
    assert tfr.collect_hparams(tmp_path, metrics=False).columns == frame.columns[:-2]
    both = tfr.collect_hparams([tmp_path / "trial0", tmp_path / "trial1"])
    assert both["logdir"].to_list() == [str(tmp_path / "trial0"), str(tmp_path / "trial1")]


def test_collect_hparams_of_nothing(tmp_path):
    assert tfr.collect_hparams(tmp_path).columns == ["run", "trial", "status", "started", "ended"]


def test_collect_hparams_with_clashing_names(tmp_path):
    with tfr.with_logdir(tmp_path / "a"):
        tfr.log_hparams(loss="mse", run=1, mixed=True)
        tfr.log_event(loss=0.5)
    with tfr.with_logdir(tmp_path / "b"):
        tfr.log_hparams(loss="mae", mixed="no")
    frame = tfr.collect_hparams(tmp_path).drop("trial", "status", "started", "ended")
    assert frame.columns == ["run", "loss", "mixed", "hparam.run", "metric.loss"]
    assert frame.rows() == [("a", "mse", "True", 1.0, 0.5), ("b", "mae", "no", None, None)]


def test_nested_sessions_keep_their_metrics(tmp_path):
    for logdir in (tmp_path, tmp_path / "inner"):
        with tfr.with_logdir(logdir):
            tfr.log_hparams(depth=len(logdir.parts))
            tfr.log_event(valid={"loss": float(len(logdir.parts))})
    frame = tfr.collect_hparams(tmp_path)
    assert dict(frame.select("run", "valid/loss").iter_rows()) == {
        ".": len(tmp_path.parts),
        "inner": len(tmp_path.parts) + 1,
    }


def test_frame(tmp_path):
    log_experiment(tmp_path)
    frame = tfr.collect_events(tmp_path, type="hparams")
    assert frame["what"].to_list() == ["experiment", "start", "end", "start", "end", "start"]
    assert frame["status"].to_list() == [None, None, "success", None, "failure", None]
    assert frame["content"].str.json_path_match("$.optimizer").to_list() == [
        None,
        "adam",
        None,
        "sgd",
        None,
        "adam",
    ]


def test_descriptions_are_values():
    hparam = tfr.hparams_hparam("lr", [1, 2], display_name="rate")
    metric = tfr.hparams_metric("loss", "valid")
    value = tfr.value(tfr.summary_hparams_config([hparam], [metric], time_created_secs=1))
    assert value == {"hparams": [hparam], "metrics": [metric], "time_created_secs": 1.0}
    assert pickle.loads(pickle.dumps(hparam)) == hparam  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tfr.summary_hparams(a=[1, 2]), "hyperparameter 'a': expected a number"),
        (lambda: tfr.summary_hparams(a=None), "not NoneType"),
        (lambda: tfr.summary_hparams(a=np.zeros(2)), "not ndarray"),
        (lambda: tfr.summary_hparams({"a": 1}, a=2), "'a' is given twice"),
        (lambda: tfr.summary_hparams({"a": {"b": 1}, "a.b": 2}), "'a.b' is given twice"),
        (lambda: tfr.summary_hparams({1: 1}), "must be a non-empty string"),
        (lambda: tfr.summary_hparams([1]), "given by name"),
        (lambda: tfr.summary_hparams(a=10**400), "no number that float64 holds"),
        (lambda: tfr.summary_hparams(a=1, trial_id=5), "`trial_id` must be a string"),
        (lambda: tfr.summary_hparams(a=1, time_created_secs="now"), "`time_created_secs` must be seconds"),
        (lambda: tfr.summary_hparams_end("done"), "`status` must be one of"),
        (lambda: tfr.hparams_hparam(""), "`name` must be"),
        (lambda: tfr.hparams_hparam("a", []), "all of one kind"),
        (lambda: tfr.hparams_hparam("a", [1, "b"]), "all of one kind"),
        (lambda: tfr.hparams_hparam("a", "adam"), "sequence or an interval"),
        (lambda: tfr.hparams_hparam("a", {"min": 1, "max": 2}), "`min_value` and `max_value`"),
        (lambda: tfr.hparams_hparam("a", {"min_value": 2, "max_value": 1}), "ends before it begins"),
        (lambda: tfr.hparams_hparam("a", {"min_value": float("nan"), "max_value": 1}), "must not have NaN"),
        (lambda: tfr.hparams_hparam("a", display_name=3), "`display_name` must be a string or None"),
        (lambda: tfr.hparams_metric("a", 3), "`group` must be a string or None"),
        (lambda: tfr.log_hparams(argparse.Namespace(a=1)), r"vars\(\) makes a mapping"),
        (lambda: tfr.hparams_metric("a", dataset_type="test"), "Unknown dataset type"),
        (lambda: tfr.summary_hparams_config([1], []), r"`hparams` must be a list of what hparams_hparam\(\)"),
        (lambda: tfr.summary_hparams_config([], tfr.hparams_metric("a")), "`metrics` must be a list"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(InvalidEventError, match=re.compile(message)):
        call()
