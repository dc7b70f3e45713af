"""Which tables a run refers to."""

import subprocess
import sys

import pytest

import tfruns_rs as tfr
from tfruns_rs.errors import MetricsTableError
from tfruns_rs.tracking.tables import metric_infos, update_metrics


def written(run, **columns):
    writer = tfr.MetricsTableWriter(run)
    writer.add_batch(columns or {"loss": [1.0]})
    writer.finalize()
    return writer.get_written_metrics_infos()


def test_a_run_refers_to_a_table_when_told_so(run):
    infos = written(run)
    assert metric_infos(run) == []
    update_metrics(run, infos)
    assert metric_infos(run) == infos


def test_the_same_table_is_registered_once_by_whatever_url(run, tmp_path):
    infos = written(run)
    update_metrics(run, infos)
    update_metrics(run, infos)
    absolute = [{**infos[0], "url": str(run / infos[0]["url"])}]
    update_metrics(run, absolute)
    update_metrics(run, [{**infos[0], "url": "metrics_tables/../metrics_tables/metrics_0000"}])
    update_metrics(run.relative_to(tmp_path))
    assert metric_infos(run) == infos


def test_none_means_all_tables_of_the_run(run):
    expected = written(run) + written(run)
    update_metrics(run)
    assert metric_infos(run) == expected
    assert [info["url"][-4:] for info in expected] == ["0000", "0001"]


def test_a_missing_table_is_an_error_unless_told_otherwise(run):
    infos = written(run)
    infos[0]["url"] += "9"
    with pytest.raises(FileNotFoundError):
        update_metrics(run, infos)
    assert metric_infos(run) == []
    update_metrics(run, infos, validate=False)
    assert metric_infos(run) == infos


def test_an_info_without_its_fields_is_refused(run):
    info = written(run)[0]
    del info["row_count"]
    with pytest.raises(MetricsTableError, match="row_count"):
        update_metrics(run, [info])


def test_many_processes_register_many_tables(run):
    code = """
import sys
import tfruns_rs as tfr
for number in range(5):
    with tfr.MetricsTableWriter(sys.argv[1]) as writer:
        writer.add_batch({"writer": [int(sys.argv[2])], "number": [number]})
"""
    children = [subprocess.Popen([sys.executable, "-c", code, str(run), str(one)]) for one in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    infos = metric_infos(run)
    assert sorted(info["url"] for info in infos) == [
        f"metrics_tables/metrics_{number:04}" for number in range(20)
    ]
    rows = [tfr.MetricsTable(run / info["url"]).read().row(0) for info in infos]
    assert sorted(rows) == [(writer, number) for writer in range(4) for number in range(5)]


def test_a_run_object_refers_to_its_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tfr.create_run(name="scored")
    with tfr.MetricsTableWriter(run) as writer:
        writer.add_batch({"loss": [0.5, 0.25]})
    assert run.metric_infos == writer.get_written_metrics_infos()
    (table,) = run.metrics_tables
    assert (run.url / run.metric_infos[0]["url"]) == table.url
    assert run.joined().collect()["loss"].to_list() == [0.5, 0.25]
    run.finish()
