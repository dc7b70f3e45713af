import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tfruns_rs as tfr
from tfevents.records import START, scalar, version, write_file
from tfruns_rs.errors import LogdirNotFoundError
from tfruns_rs.tfevents import _scan

RUNS = ("a", "b/c", "train", "valid")
TAGS = ("loss", "acc", "a tag that is longer than a view")
STEPS = 6
ENGINES = ("in-memory", "streaming")


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    root = tmp_path_factory.mktemp("logs")
    for run in RUNS:
        write_file(
            root / run,
            [
                version(),
                *(scalar(tag, step / 4, step, START + step) for step in range(STEPS) for tag in TAGS),
            ],
        )
    return root


@pytest.fixture
def counters(monkeypatch):
    fresh = dict.fromkeys(_scan.counters, 0)
    monkeypatch.setattr(_scan, "counters", fresh)
    return fresh


def test_is_what_collect_events_gives(logdir):
    for kind in ("scalar", "summary", "any"):
        lazy = tfr.scan_events(logdir, kind)
        assert isinstance(lazy, pl.LazyFrame)
        assert lazy.collect_schema() == tfr.collect_events(logdir, type=kind).schema
        assert lazy.collect().equals(tfr.collect_events(logdir, type=kind))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("predicate", "files", "rows"),
    [
        (pl.col("run") == "train", 1, 18),
        (pl.col("run") != "train", 3, 54),
        (pl.col("run").is_in(["a", "valid", "none"]), 2, 36),
        (pl.col("run").str.starts_with("b/"), 1, 18),
        (pl.col("run").str.ends_with("in"), 1, 18),
        (pl.col("run").str.contains("ai"), 1, 18),
        ((pl.col("run") == "a") | (pl.col("run") == "train"), 2, 36),
        (~(pl.col("run") == "a") & (pl.col("tag") == "loss"), 3, 18),
        (pl.col("tag") == "loss", 4, 24),
        (pl.col("tag").is_in(["acc", "loss"]) & (pl.col("run") == "a"), 1, 12),
        (pl.col("step") > 3, 4, 24),
        (pl.lit(3) >= pl.col("step"), 4, 48),
        (pl.col("step") == 2, 4, 12),
        (pl.col("step").is_between(1, 2), 4, 24),
        (pl.col("step").is_in([0, 5]), 4, 24),
        (pl.col("wall_time") < START + 1.5, 4, 24),
        ((pl.col("step") > 3) & (pl.col("tag") == "loss") & (pl.col("run") == "a"), 1, 2),
        ((pl.col("value") > 0.3) & (pl.col("run") == "a"), 1, 18),
    ],
    ids=str,
)
def test_conditions_reach_the_reader(  # noqa: PLR0917
    logdir, counters, predicate, files, rows, engine
):
    frame = tfr.scan_events(logdir).filter(predicate).collect(engine=engine)
    assert frame.equals(tfr.collect_events(logdir, type="scalar").filter(predicate))
    assert counters["files_opened"] == files
    assert counters["rows"] == rows


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "predicate",
    [
        pl.col("value") > 0.5,
        pl.col("step") * 2 == 4,
        pl.col("tag").str.len_chars() > 4,
        pl.col("tag").str.contains("^l.s+"),
        pl.col("tag").str.contains("a.t", literal=True),
        pl.col("tag") == pl.col("run"),
        (pl.col("tag") == "loss") | (pl.col("step") == 1),
        pl.col("tag").is_first_distinct(),
        pl.col("step") == pl.col("step").max(),
        pl.col("step") > 2.5,
        pl.col("step").is_in([1, None]),
        pl.col("step").is_between(pl.col("value"), 3),
    ],
    ids=str,
)
def test_other_conditions_are_applied_all_the_same(logdir, predicate, engine):
    frame = tfr.scan_events(logdir).filter(predicate).collect(engine=engine)
    expected = tfr.collect_events(logdir, type="scalar").filter(predicate)
    assert frame.sort(pl.all()).equals(expected.sort(pl.all()))


@pytest.mark.parametrize("engine", ENGINES)
def test_only_needed_columns_are_built(logdir, monkeypatch, engine):
    asked = []
    core = _scan._core
    read = core.read_events

    def spy(files, kind, columns, **options):
        asked.append((tuple(columns), tuple(options.get("without", ()))))
        return read(files, kind, columns, **options)

    lazy = tfr.scan_events(logdir, "summary", columns=["file", "offset"])
    monkeypatch.setattr(core, "read_events", spy)
    frame = lazy.filter(pl.col("tag") == "loss").select("step", "offset").collect(engine=engine)
    assert frame.columns == ["step", "offset"]
    assert asked == [(("offset",), ("run", "wall_time", "value", "summary"))]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_few_rows_are_not_all_rows(logdir, counters, engine):
    frame = tfr.scan_events(logdir).head(5).collect(engine=engine)
    assert frame.equals(tfr.collect_events(logdir, type="scalar").head(5))
    assert counters["files_opened"] == 1
    assert counters["rows"] == 5
    first = tfr.scan_events(logdir).filter(pl.col("tag") == "acc").head(3).collect(engine=engine)
    assert first["step"].to_list() == [0, 1, 2]


KINDS = ("histogram", "text", "image", "audio", "tensor", "hparams")


@pytest.fixture(scope="module")
def kinds_logdir(tmp_path_factory):
    root = tmp_path_factory.mktemp("kinds")
    for run in ("a", "b"):
        with tfr.with_logdir(root / run):
            for step in range(3):
                tfr.log_event(
                    step=step,
                    loss=step / 2,
                    weights=tfr.summary_histogram(np.arange(10.0)),
                    note=f"step {step}",
                    picture=tfr.summary_image(np.zeros((1, 2, 3, 1), np.uint8)),
                    sound=tfr.summary_audio(np.zeros((1, 8, 1), np.float32), sample_rate=8000),
                    matrix=tfr.summary_tensor(np.eye(2)),
                )
            tfr.log_hparams({"lr": 0.1})
    tfr.flush()
    return root


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_values_of_a_kind_are_scanned(kinds_logdir, counters, kind, engine):
    lazy = tfr.scan_events(kinds_logdir, kind)
    whole = tfr.collect_events(kinds_logdir, type=kind)
    assert whole.height >= 2
    assert lazy.collect_schema() == whole.schema
    assert lazy.collect(engine=engine).equals(whole)
    counters["files_opened"] = 0
    one = lazy.filter(pl.col("run") == "a").collect(engine=engine)
    assert one.equals(whole.filter(pl.col("run") == "a"))
    assert counters["files_opened"] == 1
    last = whole.columns[-1]
    assert lazy.select(last, "step").collect(engine=engine).equals(whole.select(last, "step"))
    assert lazy.select("tag", "step").collect(engine=engine).equals(whole.select("tag", "step"))
    late = lazy.filter(pl.col("step") > 0).select("run", last).collect(engine=engine)
    assert late.equals(whole.filter(pl.col("step") > 0).select("run", last))
    assert lazy.head(1).collect(engine=engine).equals(whole.head(1))


def test_files_and_sizes_are_those_of_the_call(tmp_path):
    path = write_file(tmp_path, [version(), scalar("x", 1)])
    lazy = tfr.scan_events(tmp_path)
    with path.open("ab") as file:
        file.write(path.read_bytes())
    write_file(tmp_path / "later", [scalar("x", 2)])
    assert lazy.collect().height == lazy.collect().height == 1
    assert tfr.scan_events(tmp_path).collect().height == 3


def test_large_files_come_in_parts(tmp_path, monkeypatch, counters):
    monkeypatch.setattr(_scan, "FIRST_BATCH_BYTES", 2000)
    monkeypatch.setattr(_scan, "BATCH_BYTES", 5000)
    write_file(tmp_path / "large", [version(), *(scalar("x", i, i) for i in range(1000))])
    for run in "abc":
        write_file(tmp_path / run, [version(), *(scalar("x", i, i) for i in range(30))])
    frame = tfr.scan_events(tmp_path).collect()
    assert frame.equals(tfr.collect_events(tmp_path, type="scalar"), null_equal=True)
    assert counters["files_opened"] == 4
    assert tfr.scan_events(tmp_path).filter(pl.col("run") == "large").head(7).collect().height == 7


def test_arguments_are_those_of_collect_events(logdir):
    frame = tfr.scan_events(logdir, run="tr*", tag="loss", step=(2, None)).collect()
    assert frame.equals(tfr.collect_events(logdir, type="scalar", run="tr*", tag="loss", step=(2, None)))
    with pytest.raises(LogdirNotFoundError):
        tfr.scan_events(logdir / "missing")
    with pytest.raises(ValueError, match="`type` must be one of"):
        tfr.scan_events(logdir, "events")


NUMBERS = st.integers(-1, STEPS + 1)
CONDITIONS = st.recursive(
    st.one_of(
        st.builds(lambda name: pl.col("run") == name, st.sampled_from(RUNS)),
        st.builds(lambda name: pl.col("tag") != name, st.sampled_from(TAGS)),
        st.builds(
            lambda names: pl.col("tag").is_in(names),
            st.lists(st.sampled_from(TAGS), min_size=1, max_size=2),
        ),
        st.builds(pl.col("tag").str.contains, st.sampled_from(["a", "s", "l.s", "."])),
        st.builds(lambda step: pl.col("step") <= step, NUMBERS),
        st.builds(lambda step: pl.col("step") != step, NUMBERS),
        st.builds(lambda step: step + 0.5 < pl.col("step"), NUMBERS),
        st.builds(
            lambda low, high, closed: pl.col("step").is_between(low, high, closed),
            NUMBERS,
            NUMBERS,
            st.sampled_from(["both", "left", "right", "none"]),
        ),
        st.builds(lambda steps: pl.col("step").is_in(steps), st.lists(NUMBERS, min_size=1, max_size=3)),
        st.builds(lambda step: pl.col("wall_time") > START + step, NUMBERS),
        st.builds(lambda value: pl.col("value") < value / 4, NUMBERS),
    ),
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        st.builds(lambda one: ~one, inner),
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=CONDITIONS, engine=st.sampled_from(ENGINES))
def test_equals_a_filter_on_everything(logdir, condition, engine):
    frame = tfr.scan_events(logdir).filter(condition).collect(engine=engine)
    assert frame.equals(tfr.collect_events(logdir, type="scalar").lazy().filter(condition).collect())


def test_an_archive_is_read_as_one_part(tmp_path, monkeypatch):
    path = write_file(tmp_path, [version(), *(scalar("x", i, i) for i in range(200))])
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    monkeypatch.setattr(_scan, "FIRST_BATCH_BYTES", 16)
    monkeypatch.setattr(_scan, "BATCH_BYTES", 16)
    assert tfr.scan_events(tmp_path).collect()["step"].to_list() == list(range(200))
