import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tfruns_rs.views._charts import Chart, extremes, fit, history_charts, make_series


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=500), st.integers(4, 60)
)
def test_extremes_survive_any_reduction(values, limit):
    y = np.asarray(values)
    kept = extremes(y, limit)

    assert len(kept) <= max(limit, 1)
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0
    assert kept[-1] == len(y) - 1
    assert y[kept].min() == y.min()
    assert y[kept].max() == y.max()


def test_many_lines_share_the_points():
    charts = [
        Chart("a", series=[make_series("x", range(100_000), [float(n) for n in range(100_000)])] * 10)
        for _ in range(5)
    ]
    fitted = fit(charts, 20_000, 1_000)

    assert sum(len(series.y) for chart in fitted for series in chart.series) <= 20_000
    assert fitted[0].note == "4,000 of 1,000,000 points shown, extremes kept"


def test_a_million_points_are_reduced_with_their_number_told():
    y = np.random.default_rng(1).normal(size=1_000_000)
    y[765_432] = 99.0
    (chart,) = fit(
        [Chart("loss", series=[make_series("training", range(len(y)), y.tolist())])], 20_000, 1_000
    )

    assert "of 1,000,000 points shown" in chart.note
    assert max(chart.series[0].y) == 99
    assert len(chart.series[0].y) <= 1_000


def test_values_without_a_place_are_counted():
    series = make_series("loss", range(1, 6), [1.0, None, math.nan, math.inf, 2.0])
    chart = Chart("loss", series=[series])

    assert (list(series.x), list(series.y)) == ([1, 5], [1.0, 2.0])
    assert chart.note == "2 values are NaN or infinite"


def test_validation_stands_with_its_metric():
    charts = history_charts(
        {"run": ({"loss": [1.0], "val_loss": [2.0], "val_only": [3.0], "none": [None]}, None)}
    )

    assert [(chart.title, [series.name for series in chart.series]) for chart in charts] == [
        ("loss", ["training", "validation"]),
        ("val_only", ["validation"]),
    ]
