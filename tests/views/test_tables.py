import math

import numpy as np
import polars as pl

import tfruns_rs as tfr
from tfruns_rs.views._tables import read_tables
from views.made_runs import random_run


def make_table(tmp_path):
    run_dir = random_run(tmp_path / "run", 1)
    pl.DataFrame({"image": ["a", "b", "c", "d"]}).write_parquet(tmp_path / "images.parquet")
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
    assert "2" in worst
    assert "<i>x" in worst


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
