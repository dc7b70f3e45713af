"""Writing tables: what is taken, what is refused, what is left on disk."""

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from tfruns_rs.errors import BatchError, NoActiveRunError, RunNotFoundError
from tfruns_rs.tracking.tables import ColumnSchema, MetricsTable, MetricsTableWriter, metric_infos

FIRST = {"loss": [0.1, 0.2, 0.3, 0.4], "example_id": [0, 1, 2, 3]}
SECOND = {"loss": [0.2, 0.4, 0.1, 0.5], "example_id": [4, 5, 6, 7]}


def on_disk(run):
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())


def test_two_batches_become_one_table_in_the_order_of_addition(run, images):
    writer = MetricsTableWriter(run, images, "Images")
    writer.add_batch(FIRST)
    writer.add_batch(SECOND)
    assert writer.get_written_metrics_infos() == []
    table = writer.finalize()

    assert table.columns == ["loss", "example_id", "input_table_id"]
    assert table.row_count == len(table) == 8
    rows = table.read()
    assert rows["loss"].to_list() == FIRST["loss"] + SECOND["loss"]
    assert rows["example_id"].to_list() == list(range(8))
    assert rows["input_table_id"].to_list() == [0] * 8
    assert rows.schema == {"loss": pl.Float64, "example_id": pl.Int32, "input_table_id": pl.Int32}
    assert on_disk(run) == [
        "metrics_tables/metrics_0000/data.parquet",
        "metrics_tables/metrics_0000/table.json",
    ]


def test_infos_lead_from_the_run_to_the_table(run, images):
    writer = MetricsTableWriter(run, images)
    writer.add_batch(FIRST)
    writer.add_batch(SECOND)
    writer.finalize()
    (info,) = writer.get_written_metrics_infos()
    assert sorted(info) == ["file_size", "row_count", "stream_name", "url"]
    assert not Path(info["url"]).is_absolute()
    assert MetricsTable(run / info["url"]).row_count == info["row_count"] == 8
    assert info["file_size"] == (run / info["url"] / "data.parquet").stat().st_size
    assert info["stream_name"] == "default_stream"


def test_no_run_is_an_error(run, monkeypatch):
    monkeypatch.delenv("TFRUNS_RUN_DIR", raising=False)
    with pytest.raises(NoActiveRunError, match="no run is active"):
        MetricsTableWriter()
    with pytest.raises(RunNotFoundError) as caught:
        MetricsTableWriter(run / "absent")
    assert caught.value.filename == str(run / "absent")


def test_the_active_run_is_the_default(run, monkeypatch):
    monkeypatch.setenv("TFRUNS_RUN_DIR", str(run))
    writer = MetricsTableWriter()
    writer.add_batch({"loss": [1.0]})
    assert writer.finalize().url.parent.parent == str(run)


def test_any_object_with_a_url_is_a_run(run):
    class Run:
        url = str(run)

    with MetricsTableWriter(Run()) as writer:
        writer.add_batch({"loss": [1.0]})
    assert [info["row_count"] for info in metric_infos(run)] == [1]


def test_a_foreign_table_asks_for_example_ids(run, images):
    batch = {"loss": [0.5]}
    with pytest.raises(BatchError, match="example_id"):
        MetricsTableWriter(run, images).add_batch(batch)
    MetricsTableWriter(run).add_batch(batch)


@pytest.mark.parametrize(
    ("ids", "why"),
    [
        ([-1, 0], "negative"),
        ([0, None], "null"),
        ([0.0, 1.0], "integers"),
        ([0, 8], "beyond"),
        (["0", "1"], "integers"),
    ],
)
def test_example_ids_are_row_numbers(run, images, ids, why):
    writer = MetricsTableWriter(run, images)
    with pytest.raises(ValueError, match=why):
        writer.add_batch({"loss": [1.0, 2.0], "example_id": ids})


def test_example_ids_of_any_integer_width_may_follow_each_other(run, images):
    writer = MetricsTableWriter(run, images)
    for ids in (np.array([1], np.uint8), [2], pl.Series([3], dtype=pl.Int16)):
        writer.add_batch({"example_id": ids, "loss": [1.0]})
    assert writer.finalize().read()["example_id"].to_list() == [1, 2, 3]


def test_example_ids_beyond_int32_are_kept(run):
    writer = MetricsTableWriter(run, "absent.parquet", check_foreign="none")
    writer.add_batch({"example_id": [1, 2**31]})
    assert writer.finalize().read()["example_id"].to_list() == [1, 2**31]


BAD_SECOND = {
    "missing": {"loss": [1.0], "v": [[1.0, 2.0]]},
    "extra": {"loss": [1.0], "v": np.ones((1, 2)), "n": [1], "more": [1]},
    "int for float": {"loss": [1], "v": np.ones((1, 2)), "n": [1]},
    "float for int": {"loss": [1.0], "v": np.ones((1, 2)), "n": [1.0]},
    "text": {"loss": ["x"], "v": np.ones((1, 2)), "n": [1]},
    "lengths": {"loss": [1.0, 2.0], "v": np.ones((1, 2)), "n": [1]},
    "inner length": {"loss": [1.0], "v": np.ones((1, 3)), "n": [1]},
    "a single value": {"loss": 1.0, "v": np.ones((1, 2)), "n": [1]},
    "zero dimensions": {"loss": np.array(1.0), "v": np.ones((1, 2)), "n": [1]},
    "complex": {"loss": np.array([1j]), "v": np.ones((1, 2)), "n": [1]},
    "a function": {"loss": [lambda: 0], "v": np.ones((1, 2)), "n": [1]},
    "no batch": [1, 2, 3],
    "no columns": {},
    "a number as name": {1: [1.0]},
}


@pytest.mark.parametrize("bad", BAD_SECOND.values(), ids=BAD_SECOND.keys())
def test_a_bad_batch_leaves_the_table_as_it_was(run, bad):
    writer = MetricsTableWriter(run)
    good = {"loss": [1.0, 2.0], "v": np.ones((2, 2)), "n": [1, 2]}
    writer.add_batch(good)
    with pytest.raises(BatchError, match=r"^batch 1") as caught:
        writer.add_batch(bad)
    assert isinstance(caught.value, ValueError)
    assert caught.value.batch == 1
    writer.add_batch(good)
    assert writer.finalize().read()["n"].to_list() == [1, 2, 1, 2]


@pytest.mark.parametrize("bad", [open(os.devnull), lambda: 0, object()], ids=["file", "lambda", "object"])  # noqa: SIM115, PTH123
def test_what_cannot_be_written_is_refused_at_once(run, bad):
    with pytest.raises(ValueError, match="'x'"):
        MetricsTableWriter(run).add_batch({"x": [bad]})
    with pytest.raises(ValueError, match="'x'"):
        MetricsTableWriter(run).add_batch({"x": bad})
    assert on_disk(run) == []


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 257])
def test_column_names_are_printable(run, name):
    with pytest.raises(BatchError, match="name"):
        MetricsTableWriter(run).add_batch({name: [1]})


def test_batches_may_differ_in_rows_and_in_the_order_of_columns(run):
    writer = MetricsTableWriter(run)
    writer.add_batch({"a": [1, 2, 3, 4], "b": list("wxyz")})
    writer.add_batch({"b": list("abc"), "a": [5, 6, 7]})
    writer.add_batch({"a": [], "b": []})
    rows = writer.finalize().read()
    assert rows.columns == ["a", "b"]
    assert rows["a"].to_list() == list(range(1, 8))


def test_a_column_of_nulls_takes_its_type_later(run):
    writer = MetricsTableWriter(run)
    writer.add_batch({"a": [None, None], "b": [[], []], "never": [None, None]})
    writer.add_batch({"a": [1.5], "b": [["x"]], "never": [None]})
    writer.add_batch({"a": [None], "b": [[]], "never": [None]})
    rows = writer.finalize().read()
    assert rows.schema["a"] == pl.Float64
    assert rows["a"].to_list() == [None, None, 1.5, None]
    assert rows["b"].to_list() == [[], [], ["x"], []]
    assert rows["never"].null_count() == 4


def test_numbers_widen_when_asked(run):
    writer = MetricsTableWriter(run, strict=False)
    small = np.array([1], np.int16)
    writer.add_batch({"a": small, "b": small, "c": np.array([1], np.uint8)})
    writer.add_batch({"a": [2], "b": np.array([0.5], np.float32), "c": np.array([-1], np.int8)})
    rows = writer.finalize().read()
    assert rows.schema == {"a": pl.Int64, "b": pl.Float32, "c": pl.Int16}
    assert rows.rows() == [(1, 1.0, 1), (2, 0.5, -1)]
    writer = MetricsTableWriter(run, strict=False)
    writer.add_batch({"a": [2**53 + 1]})
    with pytest.raises(BatchError):  # no float64 holds the first batch
        writer.add_batch({"a": [0.5]})


def test_every_kind_of_column(run):
    class Tensor:
        """What torch's tensors do."""

        dtype = "float32"

        def detach(self):
            return self

        def cpu(self):
            return self

        def numpy(self):
            return np.array([[1, 2], [3, 4]], np.float32)

    batch = {
        "bool": [True, None],
        "text": ["a", None],
        "bytes": [b"\0", b""],
        "mixed numbers": [1, 2.5],
        "ragged": [[1], [1, 2]],
        "nested": [{"a": 1, "b": ["x"]}, {"a": 2, "b": []}],
        "float16": np.array([1, 2], np.float16),
        "big endian": np.array([1, 2], ">i4"),
        "cube": np.arange(12).reshape(2, 2, 3),
        "strided": np.arange(8)[::4],
        "objects": np.array(["x", None], object),
        "time": np.array(["2026-11-21", "2026-11-22"], "datetime64[s]"),
        "tensor": Tensor(),
        "arrays": [np.array([1.0, 2.0]), np.array([3.0, 4.0])],
        "scalars": [np.float32(1), np.float32(2)],
        "arrow": pa.array([1, 2], pa.int8()),
        "series": pl.Series("other name", [1, 2], dtype=pl.UInt64),
        "enum": pl.Series(["u", "v"], dtype=pl.Enum(["u", "v"])),
        "nan": [float("nan"), float("inf")],
    }
    copy = dict(batch)
    with MetricsTableWriter(run) as writer:
        writer.add_batch(batch)
        writer.add_batch(batch)
    assert batch == copy
    rows = writer.table.read()
    assert rows.schema["cube"] == pl.Array(pl.Int64, (2, 3))
    assert rows.schema["arrays"] == pl.Array(pl.Float64, 2)
    assert rows.schema["tensor"] == pl.Array(pl.Float32, 2)
    assert rows.schema["scalars"] == pl.Float32
    assert rows.schema["arrow"] == pl.Int8
    assert rows["cube"].to_numpy().tolist() == np.arange(12).reshape(2, 2, 3).tolist() * 2
    assert rows["mixed numbers"].to_list() == [1.0, 2.5] * 2
    assert rows["nested"].to_list() == batch["nested"] * 2
    assert rows["big endian"].to_list() == [1, 2] * 2
    assert rows["enum"].to_list() == ["u", "v"] * 2
    assert rows["nan"].is_nan().to_list() == [True, False] * 2


def test_frames_and_arrow_tables_give_the_table_of_the_mapping(run):
    columns = {"a": [1, 2], "b": ["x", "y"], "c": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)}
    frame = pl.DataFrame(columns)
    tables = []
    for batch in (columns, frame, frame.to_arrow(), frame.to_arrow().to_batches()[0]):
        with MetricsTableWriter(run) as writer:
            writer.add_batch(batch)
            writer.add_batch(batch)
        tables.append(writer.table.read())
    for table in tables[1:]:
        assert_frame_equal(table, tables[0])


def test_schemas_say_how_columns_are_stored_and_what_they_mean(run):
    schemas = {
        "loss": ColumnSchema("Loss", unit="nats", dtype="float32"),
        "v": {"shape": (2,), "dtype": "int8"},
    }
    given = dict(schemas)
    writer = MetricsTableWriter(run, column_schemas=schemas)
    writer.add_batch({"loss": [0.1, 2.0], "v": [[1, 2], [3, 4]], "confidence": [0.5, 1.0]})
    table = writer.finalize()
    assert schemas == given
    assert table.read().schema == {
        "loss": pl.Float32,
        "v": pl.Array(pl.Int8, 2),
        "confidence": pl.Float64,
    }
    assert table.schema["loss"] == ColumnSchema("Loss", unit="nats", dtype=pl.Float32)
    assert table.schema["confidence"].role == "fraction"
    with MetricsTableWriter(run) as other:  # takes nothing over from the first
        other.add_batch({"loss": [0.1]})
    assert other.table.schema == {"loss": ColumnSchema(dtype=pl.Float64)}


def test_a_type_that_cannot_hold_the_data_is_refused(run):
    with pytest.raises(BatchError, match="Int8"):
        MetricsTableWriter(run, column_schemas={"x": "int8"}).add_batch({"x": [1000]})
    with pytest.raises(BatchError, match="fractions"):
        MetricsTableWriter(run, column_schemas={"x": int}).add_batch({"x": [1.5]})


def test_enforced_ranges_name_the_row(run):
    schema = ColumnSchema(min=0, max=1, enforce_max=True)
    writer = MetricsTableWriter(run, column_schemas={"p": schema})
    writer.add_batch({"p": [-1.0, None, 1.0]})
    with pytest.raises(BatchError, match=r"1\.5 in row 2"):
        writer.add_batch({"p": [0.0, 1.0, 1.5]})


def test_a_schema_without_its_column_is_refused_at_the_end_and_the_rows_are_kept(run):
    writer = MetricsTableWriter(run, column_schemas={"losss": ColumnSchema(unit="nats")})
    writer.add_batch({"loss": [1.0]})
    with pytest.raises(ValueError, match="losss"):
        writer.finalize()
    assert any("000000" in path for path in on_disk(run))


def test_a_display_name_follows_from_the_url(run, images):
    for given, expected in (("Images", "Images"), ("", "images")):
        writer = MetricsTableWriter(run, images, given)
        writer.add_batch(FIRST)
        assert writer.finalize().foreign_table_display_name == expected


def test_an_own_input_table_id_wins(run, images):
    writer = MetricsTableWriter(run, images)
    writer.add_batch({"example_id": [0, 1], "input_table_id": [3, 4]})
    assert writer.finalize().read()["input_table_id"].to_list() == [3, 4]


def test_a_finalized_writer_is_closed(run):
    writer = MetricsTableWriter(run)
    writer.add_batch({"a": [1]})
    writer.finalize()
    with pytest.raises(RuntimeError):
        writer.finalize()
    with pytest.raises(RuntimeError):
        writer.add_batch({"a": [1]})


def test_no_batch_is_an_error_and_leaves_nothing(run):
    writer = MetricsTableWriter(run)
    with pytest.raises(ValueError, match="no batch"):
        writer.finalize()
    assert not (run / "metrics_tables").exists()


def test_an_exception_leaves_nothing(run):
    with pytest.raises(ZeroDivisionError), MetricsTableWriter(run) as writer:  # noqa: PT012 - the block is meant
        writer.add_batch({"a": [1]})
        raise ZeroDivisionError
    assert not (run / "metrics_tables").exists()
    assert metric_infos(run) == []


def test_the_with_block_registers_the_table(run):
    with MetricsTableWriter(run, stream_name="val") as writer:
        writer.add_batch({"a": [1]})
    assert metric_infos(run) == writer.get_written_metrics_infos()
    assert metric_infos(run)[0]["stream_name"] == "val"


def test_the_file_describes_itself(run, images):
    writer = MetricsTableWriter(run, images, column_schemas={"loss": ColumnSchema("Loss")})
    writer.add_batch(FIRST)
    schema = writer.finalize().schema
    data = run / "metrics_tables/metrics_0000/data.parquet"
    facts = json.loads(pl.read_parquet_metadata(data)["tfruns_rs.metrics_table"])
    assert facts == json.loads((data.parent / "table.json").read_bytes())
    lone = run / "elsewhere.parquet"
    data.rename(lone)
    assert MetricsTable(lone).schema == schema
    assert MetricsTable(lone).row_count == 4


def test_a_table_of_many_parts_is_one_file_that_others_read(run, monkeypatch):
    monkeypatch.setattr("tfruns_rs.tracking.tables._draft._PART_BYTES", 1)
    frames = [
        pl.DataFrame({"n": range(i, i + 3), "s": [f"row {j}" for j in range(i, i + 3)]})
        for i in range(0, 30, 3)
    ]
    with MetricsTableWriter(run) as writer:
        for frame in frames:
            writer.add_batch(frame)
    expected = pl.concat(frames)
    data = run / "metrics_tables/metrics_0000/data.parquet"
    assert_frame_equal(pl.read_parquet(data), expected)
    assert_frame_equal(
        pl.scan_parquet(data).filter(pl.col("n") == 17).collect(), expected.filter(pl.col("n") == 17)
    )
    import pyarrow.parquet as pq

    file = pq.ParquetFile(data)
    assert file.metadata.num_row_groups == len(frames)
    assert file.read()["s"].to_pylist() == expected["s"].to_list()
    assert [file.metadata.row_group(i).column(0).statistics.max for i in range(3)] == [2, 5, 8]


def test_keys_that_only_later_examples_have_are_kept(run):
    writer = MetricsTableWriter(run)
    boxes = [[{"x": 1}], None, [], [{"x": 2, "label": "cat"}]]
    writer.add_batch({"one": [{"a": 1}, None, {"a": 2, "b": "q"}, {"c": 0.5}], "boxes": boxes})
    rows = writer.finalize().read()
    assert rows["one"].to_list() == [
        {"a": 1, "b": None, "c": None},
        None,
        {"a": 2, "b": "q", "c": None},
        {"a": None, "b": None, "c": 0.5},
    ]
    assert rows["boxes"].to_list() == [[{"x": 1, "label": None}], None, [], [{"x": 2, "label": "cat"}]]


def test_masked_values_are_null(run):
    writer = MetricsTableWriter(run)
    for _ in range(2):
        writer.add_batch(
            {
                "a": np.ma.masked_array(np.arange(2, dtype=np.int16), [True, False]),
                "b": np.ma.masked_array(np.ones((2, 2)), [[True, False], [False, False]]),
            }
        )
    rows = writer.finalize().read()
    assert rows.schema == {"a": pl.Int16, "b": pl.Array(pl.Float64, 2)}
    assert rows["a"].to_list() == [None, 1] * 2
    assert rows["b"].to_list() == [[None, 1], [1, 1]] * 2


def test_a_set_is_refused(run):
    with pytest.raises(BatchError, match="no order"):
        MetricsTableWriter(run).add_batch({"a": {1, 2}})


def test_columns_of_nothing(run):
    writer = MetricsTableWriter(run)
    for _ in range(2):
        writer.add_batch({"none": [None] * 2, "empty": [[], []], "a": [1, 2]})
    writer.add_batch({"none": [None] * 2, "empty": [[], []], "a": np.ones(2, int)})
    rows = writer.finalize().read()
    assert rows.height == 6
    assert rows["empty"].to_list() == [[]] * 6
    assert rows["a"].to_list() == [1, 2, 1, 2, 1, 1]
    with pytest.raises(BatchError, match="without elements"):
        MetricsTableWriter(run).add_batch({"a": np.zeros((2, 0))})
