import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tfruns_rs as tfr
from tfruns_rs.views._tables import read_tables
from views.made_runs import random_run


def make_table(tmp_path):
    run_dir = random_run(tmp_path / "run", 1)
    pl.DataFrame({"image": ["a", "b", "c", "d"], "note": [f"<script>{row}" for row in "abcd"]}).write_parquet(
        tmp_path / "images.parquet"
    )
    schemas = {"loss": tfr.ColumnSchema("Loss", unit="nats")}
    with tfr.MetricsTableWriter(run_dir, tmp_path / "images.parquet", "<b>Images", schemas) as writer:
        writer.add_batch(
            {"example_id": range(4), "loss": np.array([0.5, 2.0, 1 / 3, 1.0]), "note": ["<i>x"] * 4}
        )
    return run_dir


def test_a_table_shows_its_numbers_and_its_worst_examples(tmp_path, open_page):
    run_dir = make_table(tmp_path)
    page = open_page(tfr.save_run_view(run_dir, tmp_path / "page.html")).page
    page.click("#tab-tables")

    text = page.inner_text("#tables")
    assert "4 rows" in text
    assert "<b>Images" in text
    cells = page.eval_on_selector_all(
        "#tables table:first-of-type tbody tr:first-child td data", "all => all.map(one => Number(one.value))"
    )
    assert cells[0] == 4
    assert math.isclose(cells[1], (0.5 + 2 + 1 / 3 + 1) / 4)
    worst = page.eval_on_selector_all(
        "#tables h3 + table tbody tr:first-child td", "all => all.map(one => one.textContent)"
    )
    assert worst == ["1", "2", "<i>x", "b", "<script>b"]
    bars = page.eval_on_selector_all(
        "#tables .bars g",
        "all => all.map(one => [one.textContent, one.lastElementChild.height.baseVal.value])",
    )
    assert len(bars) == 30
    assert bars[0] == ["0.333333 to 0.388889: 1", 10]
    assert sum(height > 0 for _, height in bars) == 4
    assert page.inner_text("#tables").count("elsewhere") == 0


def test_only_a_foreign_table_that_is_what_it_was_is_read(tmp_path, monkeypatch):
    run_dir = make_table(tmp_path)
    folder = run_dir / "metrics_tables"
    (table,) = read_tables(folder)
    assert table["foreign"]["is_shown"]
    assert [row["image"] for row in table["metrics"][0]["worst"]] == ["b", "d", "a", "c"]

    images = tmp_path / "images.parquet"
    kept = images.read_bytes()
    images.write_bytes(kept[:-9] + b"!" + kept[-8:])
    monkeypatch.setattr(pl, "scan_parquet", lambda source, **_: no_scan_of(images, source, **_))
    (table,) = read_tables(folder)
    assert not table["foreign"]["is_shown"]
    assert list(table["metrics"][0]["worst"][0]) == ["example_id", "loss", "note"]

    images.unlink()
    (table,) = read_tables(folder)
    assert not table["foreign"]["is_shown"]


def no_scan_of(images, source, scan=pl.scan_parquet, **options):
    assert images not in (source if isinstance(source, list) else [source])
    return scan(source, **options)


@pytest.mark.parametrize(
    "url",
    ["https://192.0.2.1/images.csv", "s3://bucket/images.parquet", "/etc/passwd", "/dev/zero", "/proc/kmsg"],
)
def test_a_record_that_points_elsewhere_shows_nothing(tmp_path, url):
    run_dir = make_table(tmp_path)
    told = run_dir / "metrics_tables" / "metrics_0000" / "table.json"
    facts = json.loads(told.read_text())
    there = Path(url).stat().st_size if url.startswith("/") else 7
    for size in (0, there):
        facts["foreign"] |= {"url": url, "size": size}
        told.write_text(json.dumps(facts))
        (table,) = read_tables(run_dir / "metrics_tables")
        assert not table["foreign"]["is_shown"]
        assert list(table["metrics"][0]["worst"][0]) == ["example_id", "loss", "note"]


def test_what_a_foreign_table_says_has_bounds(tmp_path):
    run_dir = random_run(tmp_path / "run", 1)
    wide = {f"c{number}": ["x" * 5000] * 2 for number in range(50)}
    examples = pl.DataFrame({"image": [b"1", b"2"], "box": [[1], [2]], "loss": ["high", "low"], **wide})
    examples.write_parquet(tmp_path / "wide.parquet")
    with tfr.MetricsTableWriter(run_dir, tmp_path / "wide.parquet") as writer:
        writer.add_batch({"example_id": [1, 0, 1], "loss": [0.1, 0.2, math.nan]})
    (table,) = read_tables(run_dir / "metrics_tables")
    first = table["metrics"][0]["worst"][0]
    assert first["loss"] is None
    assert first["loss_input"] == "low"
    assert len(first) <= 8
    assert max(len(str(value)) for value in first.values()) < 250


def test_damaged_tables_are_left_out(tmp_path):
    run_dir = make_table(tmp_path)
    folder = run_dir / "metrics_tables"
    (folder / "metrics_0001").mkdir()
    (folder / "metrics_0001" / "table.json").write_text("[")
    (folder / "metrics_0002").mkdir()
    (folder / "metrics_0002" / "data.parquet").write_bytes(b"PAR1")
    (folder / "elsewhere").symlink_to(tmp_path)

    assert [table["name"] for table in read_tables(folder)] == ["metrics_0000"]
    assert read_tables(tmp_path / "none") == []
