"""The peers agree with each other on files of their own: what the other tests here lean on."""

import math

import pytest
from tensorboard.compat import tf

from interop import foreign_files, python_loader
from interop.data_server import DataServer
from interop.points import Point, comparable, rounded

POINTS = [
    Point(run, tag, step, 1_700_000_000.123456 + step, value)
    for run in (".", "train", "deep/er")
    for tag in ("loss", "a/b c")
    for step, value in enumerate([0.5, 1 / 3, -0.0, 1e-45, 3.4e38, math.inf, -math.inf, math.nan])
]


def test_tensorboard_runs_without_tensorflow():
    assert tf.__version__ == "stub"


@pytest.mark.parametrize("writer", foreign_files.WRITERS)
def test_every_peer_reads_every_foreign_file(writer, tmp_path):
    points = [p._replace(tag=p.tag.replace(" ", "_")) for p in POINTS]  # tensorboardX keeps to such tags
    foreign_files.WRITERS[writer](tmp_path, points)
    expected = comparable(rounded(points))
    assert comparable(python_loader.raw_scalars(tmp_path)) == expected
    assert comparable(python_loader.accumulated_scalars(tmp_path)) == expected
    assert comparable(python_loader.legacy_scalars(tmp_path)) == expected
    with DataServer(tmp_path) as server:
        assert comparable(server.scalars()) == expected
        assert server.runs() == [".", "deep/er", "train"]
        assert not server.complaints


def test_the_data_server_follows_a_growing_logdir(tmp_path):
    foreign_files.styled(tmp_path, POINTS[:3], foreign_files.tf2_style)
    with DataServer(tmp_path, reload=1) as server:
        assert len(server.scalars()) == 3
        foreign_files.styled(tmp_path, [p for p in POINTS if p.run == "train"], foreign_files.tf2_style)
        assert len(server.wait_until(lambda points: len(points) == 19)) == 19


def test_the_data_server_says_what_it_dislikes(tmp_path):
    foreign_files.styled(tmp_path, POINTS[:3], foreign_files.tf2_style)
    file = tmp_path / foreign_files.FILE_NAME
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    with DataServer(tmp_path) as server:
        assert len(server.scalars()) == 2
        assert len(server.complaints) == 1
