"""What was made from what."""

from pathlib import Path

import pytest

import tfruns_rs as tfr
from tfruns_rs.tracking import _lineage


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """data -> first -> model -> second"""
    monkeypatch.chdir(tmp_path)
    model = tfr.create_artifact("model")
    with tfr.create_run(name="first") as first:
        first.mark_input(tfr.Url("s3://bucket/a b.parquet"))
        first.mark_output(model)
    with tfr.create_run(name="second") as second:
        second.mark_input(model)
    return first, model, second


def test_edges_of_runs_on_disk(chain):
    first, model, second = (thing.alternative_name for thing in chain)
    frame = tfr.lineage()
    assert frame.schema.names() == ["from_kind", "from", "to_kind", "to", "role", "time"]
    assert set(frame.select("from_kind", "from", "to_kind", "to", "role").iter_rows()) == {
        ("Url", "s3://bucket/a b.parquet", "Run", first, "input"),
        ("Run", first, "Artifact", model, "output"),
        ("Artifact", model, "Run", second, "input"),
    }
    assert chain[0].upstream()[0]["path"] == "s3://bucket/a b.parquet"
    assert chain[0].downstream()[0]["name"] == model


@pytest.mark.usefixtures("destination")
def test_edges_at_a_destination(chain):
    for run in (chain[0], chain[2]):
        run.upload()
    assert tfr.lineage(remote=True).drop("time").equals(tfr.lineage().drop("time"))


@pytest.mark.usefixtures("chain")
def test_a_graph_for_mermaid():
    lines = tfr.mermaid(tfr.lineage()).splitlines()
    assert lines[0] == "flowchart LR"
    assert sum(" --> " in line for line in lines) == 3
    assert sum("([" in line for line in lines) == 2
    assert '["s3://bucket/a b.parquet"]' in "\n".join(lines)


def test_hostile_names_are_only_text():
    import polars as pl

    edges = pl.DataFrame(
        {
            "from_kind": ["Url"],
            "from": ['x"]; click n0 "javascript:alert(1)"\n'],
            "to_kind": ["Run"],
            "to": ["r"],
        }
    ).with_columns(role=pl.lit("input"), time=pl.lit(""))
    text = tfr.mermaid(edges)
    assert len(text.splitlines()) == 4
    assert text.count('"') == 4
    assert '["x&quot;]; click n0 &quot;javascript:alert(1)&quot;"]' in text
    assert _lineage._escaped("<b> a&b #34; `c") == "&lt;b&gt; a&amp;b #\u200b34; \u200b`c"


def test_a_relative_place_is_told_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tfr.create_run(name="r")
    for place in (tfr.Url("data/table.parquet"), tfr.Url("data/table.parquet"), tfr.Url("<DATA>/a")):
        run.mark_input(place)
    run.finish()
    assert [entry["path"] for entry in run.upstream()] == [f"{tmp_path}/data/table.parquet", "<DATA>/a"]


def test_nothing_is_an_empty_frame(tmp_path):
    (tmp_path / "runs").mkdir()
    assert tfr.lineage().is_empty()
    with pytest.raises(FileNotFoundError):
        tfr.lineage(Path("nowhere"))
