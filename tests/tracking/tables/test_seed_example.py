"""The documented example of the interface we took over, as its users write it."""

import polars as pl

from tfruns_rs import MetricsTableWriter, init


def test_the_example_runs_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"text": [f"row {row}" for row in range(8)]}).write_parquet("input_table_url")

    run = init()
    metrics_writer = MetricsTableWriter(
        run_url=run.url,
        foreign_table_url="input_table_url",
        foreign_table_display_name="Input Table",
    )
    metrics_writer.add_batch(
        {
            "loss": [0.1, 0.2, 0.3, 0.4],
            "example_id": [0, 1, 2, 3],
        }
    )
    metrics_writer.add_batch(
        {
            "loss": [0.2, 0.4, 0.1, 0.5],
            "example_id": [4, 5, 6, 7],
        }
    )
    metrics_table = metrics_writer.finalize()
    run.update_metrics(metrics_writer.get_written_metrics_infos())

    assert len(run.metric_infos) == 1
    assert metrics_table.foreign_table_url == str(tmp_path / "input_table_url")
    assert run.joined().sort("loss").tail(1).collect()["text"].item() == "row 7"
    run.finish()
