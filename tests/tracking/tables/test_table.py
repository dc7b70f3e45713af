"""Written tables and the tables they speak about."""

import functools
import http.server
import json
import shutil
import threading
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import tfruns_rs as tfr
from tfruns_rs.errors import ForeignKeyError, MetricsTableError
from tfruns_rs.tracking.tables import joined

ROWS = pl.DataFrame({"image": [f"{row}.png" for row in range(8)], "loss": range(8)})


def scored(run, foreign, ids=(6, 1, 1, 0), **options):
    with tfr.MetricsTableWriter(run, foreign, **options) as writer:
        writer.add_batch({"loss": [float(i) for i in range(len(ids))], "example_id": list(ids)})
    return writer.table


def test_a_join_is_lazy_and_keeps_rows_and_order(run, tmp_path):
    ROWS.write_parquet(tmp_path / "rows.parquet")
    joined_rows = scored(run, "rows.parquet").join_foreign()
    assert isinstance(joined_rows, pl.LazyFrame)
    found = joined_rows.collect()
    assert found.columns == ["loss", "example_id", "input_table_id", "image", "loss_input"]
    assert found["example_id"].to_list() == [6, 1, 1, 0]
    assert found["image"].to_list() == ["6.png", "1.png", "1.png", "0.png"]
    assert found["loss_input"].to_list() == [6, 1, 1, 0]


def test_a_join_takes_columns_and_kinds(run, tmp_path):
    ROWS.with_columns(example_id=pl.lit("own")).write_parquet(tmp_path / "rows.parquet")
    table = scored(run, "rows.parquet")
    assert table.join_foreign(["image"]).collect().columns[-1] == "image"
    assert table.join_foreign().collect()["example_id_input"].to_list() == ["own"] * 4
    assert table.join_foreign(["image"], suffix="_2", how="inner").collect().height == 4
    full = table.join_foreign(["image"], how="full").collect()
    assert full.height == 4 + 5
    assert full["example_id"].null_count() == 0
    right = table.join_foreign(["image"], how="right").collect()
    assert right["example_id"].to_list() == [0, 1, 1, 2, 3, 4, 5, 6, 7]
    assert right["loss"].to_list() == [3.0, 1.0, 2.0, None, None, None, None, 0.0, None]


def test_coverage_counts_each_row_of_the_foreign_table(run, images):
    found = scored(run, images).coverage().collect()
    assert found.rows() == [(0, 1), (1, 2), (2, 0), (3, 0), (4, 0), (5, 0), (6, 1), (7, 0)]


def test_orphans_are_an_error_that_names_them(run, tmp_path):
    ROWS.write_parquet(tmp_path / "rows.parquet")
    table = scored(run, "rows.parquet", ids=(0, 7, 6, 7))
    ROWS.head(6).write_parquet(tmp_path / "rows.parquet")
    with pytest.warns(UserWarning, match="had 8 rows and has 6"), pytest.raises(ForeignKeyError) as caught:
        table.join_foreign()
    assert (caught.value.count, caught.value.example_ids) == (3, (7, 6))
    assert table.join_foreign(validate=False, revision="latest").collect()["image"].null_count() == 3
    assert table.join_foreign(how="inner", revision="latest").collect().height == 1


def test_a_changed_foreign_table_is_a_warning(run, tmp_path):
    ROWS.write_parquet(tmp_path / "rows.parquet")
    table = scored(run, "rows.parquet")
    assert table.foreign_changes() == ""
    ROWS.with_columns(pl.col("loss") + 1).write_parquet(tmp_path / "rows.parquet")
    assert "content" in table.foreign_changes()
    with pytest.warns(UserWarning, match="its content is another"):
        table.join_foreign()
    table.join_foreign(revision="latest")
    ROWS.rename({"image": "picture"}).write_parquet(tmp_path / "newer.parquet")
    assert "picture" in table.join_foreign(revision="newer.parquet").collect().columns


def test_a_moved_project_keeps_its_joins(run, images, tmp_path):
    table = scored(run, images)
    before = table.join_foreign().collect()
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    shutil.move(tmp_path, moved)
    after = tfr.MetricsTable(moved / run.relative_to(tmp_path) / "metrics_tables/metrics_0000")
    assert_frame_equal(after.join_foreign().collect(), before)
    stored = json.loads(Path(after.url, "table.json").read_bytes())
    assert stored["foreign"]["url"] == "../../../../images.parquet"


@pytest.mark.usefixtures("run")
def test_a_run_directory_behind_a_link_keeps_its_joins(images, tmp_path):
    elsewhere = tmp_path / "scratch" / "runs"
    elsewhere.mkdir(parents=True)
    (tmp_path / "linked").symlink_to(elsewhere)
    (tmp_path / "linked" / "a").mkdir()
    scored(tmp_path / "linked" / "a", images)
    table = tfr.MetricsTable(tmp_path / "linked/a/metrics_tables/metrics_0000")
    assert table.join_foreign().collect().height == 4


FORMATS = {
    "rows.parquet": lambda frame, path: frame.write_parquet(path),
    "no suffix": lambda frame, path: frame.write_parquet(path),
    "rows.arrow": lambda frame, path: frame.write_ipc(path),
    "rows.arrows": lambda frame, path: frame.write_ipc_stream(path),
    "rows.csv": lambda frame, path: frame.write_csv(path),
    "rows.ndjson": lambda frame, path: frame.write_ndjson(path),
    "[odd] *name?.parquet": lambda frame, path: frame.write_parquet(path),
}


@pytest.mark.parametrize("name", FORMATS)
def test_foreign_tables_of_every_format(run, tmp_path, name):
    FORMATS[name](ROWS, tmp_path / name)
    table = scored(run, name)
    assert table.join_foreign().collect()["image"].to_list() == ["6.png", "1.png", "1.png", "0.png"]
    assert table.foreign_changes() == ""
    with pytest.raises(ValueError, match="8 rows"):
        scored(run, name, ids=(8,))


def test_a_directory_is_a_table_in_the_order_of_its_names(run, tmp_path):
    (tmp_path / "rows").mkdir()
    ROWS.tail(4).write_parquet(tmp_path / "rows/b.parquet")
    ROWS.head(4).write_parquet(tmp_path / "rows/a.parquet")
    (tmp_path / "rows/.hidden.parquet").write_bytes(b"")
    for place in ("rows", "rows/*.parquet"):
        table = scored(run, place)
        assert table.join_foreign().collect()["image"].to_list() == ["6.png", "1.png", "1.png", "0.png"]
    # A file that comes later does not move the rows.
    ROWS.write_parquet(tmp_path / "rows/0.parquet")
    assert "16" in table.foreign_changes()
    assert table.join_foreign().collect()["image"].to_list() == ["6.png", "1.png", "1.png", "0.png"]


def test_a_metrics_table_may_be_the_foreign_table(run, images):
    first = scored(run, images)
    second = scored(run, first.url, ids=(3, 0))
    assert second.join_foreign(["example_id"]).collect()["example_id_input"].to_list() == [0, 6]


class Ranges(http.server.SimpleHTTPRequestHandler):
    """A file server that answers ranges, as object stores do."""

    def log_message(self, *_args):
        pass

    def do_GET(self):
        data = (Path(self.directory) / self.path.lstrip("/")).read_bytes()
        first, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")
        begin = int(first) if first else max(0, len(data) - int(last))
        end = min(int(last), len(data) - 1) if first and last else len(data) - 1
        part = data[begin : end + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {begin}-{end}/{len(data)}")
        self.end_headers()
        self.wfile.write(part)


def test_a_foreign_table_behind_an_address(run, tmp_path):
    ROWS.write_parquet(tmp_path / "rows.parquet")
    handler = functools.partial(Ranges, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/rows.parquet"
            table = scored(run, url)
            assert table.foreign_table_url == url
            assert table.foreign_table_display_name == "rows"
            assert table.join_foreign().collect()["image"].to_list() == ["6.png", "1.png", "1.png", "0.png"]
            with pytest.raises(ValueError, match="beyond"):
                scored(run, url, ids=(8,))
        finally:
            server.shutdown()


def test_a_foreign_table_may_come_later(run, tmp_path):
    with pytest.warns(UserWarning, match="no table"):
        writer = tfr.MetricsTableWriter(run, "later.parquet")
    writer.add_batch({"example_id": [7]})
    ROWS.write_parquet(tmp_path / "later.parquet")
    assert writer.finalize().join_foreign().collect()["image"].item() == "7.png"

    with pytest.warns(UserWarning, match="no table"):
        writer = tfr.MetricsTableWriter(run, "never.parquet")
    writer.add_batch({"example_id": [7]})
    with pytest.warns(UserWarning, match="not checked"):
        table = writer.finalize()
    with pytest.raises(FileNotFoundError):
        table.foreign()


def test_a_table_without_a_foreign_table_says_so(run):
    with tfr.MetricsTableWriter(run) as writer:
        writer.add_batch({"a": [1]})
    assert writer.table.foreign_table_url is None
    for call in (writer.table.foreign, writer.table.join_foreign, writer.table.coverage):
        with pytest.raises(MetricsTableError, match="no foreign table"):
            call()


def test_the_tables_of_a_run_are_one_frame(run, tmp_path):
    ROWS.write_parquet(tmp_path / "train.parquet")
    ROWS.write_parquet(tmp_path / "val.parquet")
    scored(run, "train.parquet", ids=(0, 1), stream_name="train")
    scored(run, "train.parquet", ids=(2,), stream_name="train")
    scored(run, "val.parquet", ids=(3,), stream_name="val")
    with pytest.raises(MetricsTableError, match="several foreign tables"):
        joined(run)
    rows = joined(run, "train", columns=["image"]).collect()
    assert rows["image"].to_list() == ["0.png", "1.png", "2.png"]
    assert rows["metrics_table"].to_list() == ["metrics_0000", "metrics_0000", "metrics_0001"]
    assert joined(run, foreign="val").collect()["foreign_table"].to_list() == ["val"]
    assert joined(run, foreign="val.parquet").collect().height == 1
    with pytest.raises(MetricsTableError, match="no metrics table"):
        joined(run, "test")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"kind": "metrics_table"}', '{"columns": 3, "row_count": {}}']
)
def test_a_damaged_description_is_one_clear_error(run, images, text):
    table = scored(run, images)
    Path(table.url, "table.json").write_text(text)
    with pytest.raises(MetricsTableError, match="metrics_0000"):
        tfr.MetricsTable(table.url)


def test_what_is_no_table_is_an_error(run, images):
    with pytest.raises(FileNotFoundError):
        tfr.MetricsTable(run)
    with pytest.raises(FileNotFoundError):
        tfr.MetricsTable(run / "absent")
    with pytest.raises(MetricsTableError):
        tfr.MetricsTable(images)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", b'[{"x": 1}]'), ("a.parquet", b"no Parquet"), ("a.csv", b" \n"), ("a.bin", b"\x89PNG\0\0")],
)
def test_a_foreign_table_that_is_none_is_an_error_that_names_it(run, name, content):
    (run.parent / name).write_bytes(content)
    with pytest.raises(MetricsTableError, match=name):
        tfr.MetricsTableWriter(run, run.parent / name)
