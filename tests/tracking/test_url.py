"""Places as text."""

import os
from pathlib import Path

import pytest

from tfruns_rs import Url


@pytest.mark.parametrize(
    ("url", "owner", "relative"),
    [
        ("/p/data/a.parquet", "/p/runs/r", "../../data/a.parquet"),
        ("/p/runs/r/metrics_tables/m", "/p/runs/r", "metrics_tables/m"),
        ("s3://bucket/data/a", "s3://bucket/runs", "../data/a"),
        ("s3://bucket/data/a", "s3://other/runs", "s3://bucket/data/a"),
        ("s3://bucket/data/a", "/p", "s3://bucket/data/a"),
        ("file:///p/with%20space", "/p", "with space"),
        ("<DATA>/a", "/p", "<DATA>/a"),
    ],
)
def test_relative_and_back(url, owner, relative):
    assert str(Url(url).to_relative(owner)) == relative
    assert Url(relative).to_absolute(owner) == Url(url)


def test_relative_places_start_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Url("a/../b").to_absolute() == str(tmp_path / "b")
    assert Url("b").to_absolute("a") == str(tmp_path / "a" / "b")
    assert Url(tmp_path / "x").to_relative("y") == "../x"


def test_parts():
    url = Url("s3://bucket/a/b.tar.Gz")
    assert (url.scheme, url.name, url.stem, url.suffix) == ("s3", "b.tar.Gz", "b.tar", ".gz")
    assert url.parts == ("s3://bucket", "a", "b.tar.Gz")
    assert url.parent == "s3://bucket/a"
    assert url.parent / "c" == "s3://bucket/a/c"
    assert Url("a") / "b" == Url("a/b")
    assert Url("a") / "/b" == Url("/b")
    assert not Url()
    assert len({Url("a"), Url("a")}) == 1


def test_a_path_is_a_place_in_the_file_system(tmp_path):
    (tmp_path / "x").write_text("here")
    assert Path(Url(f"file://{tmp_path}/x")).read_text() == "here"
    with pytest.raises(ValueError, match="file system"):
        os.fspath(Url("s3://bucket/a"))


def test_aliases_are_replaced_when_a_place_is_used(tmp_path, monkeypatch):
    Url.register_alias("TEST_DATA", tmp_path)
    try:
        assert Url("<TEST_DATA>/a").expand() == str(tmp_path / "a")
        assert os.fspath(Url("<TEST_DATA>")) == str(tmp_path)
        Url.register_alias("TEST_DATA", tmp_path)
        with pytest.raises(ValueError, match="stands for"):
            Url.register_alias("TEST_DATA", "/other")
        Url.register_alias("TEST_DATA", "/other", force=True)
        assert Url("<TEST_DATA>/a").expand() == "/other/a"
    finally:
        del Url._aliases["TEST_DATA"]
    monkeypatch.setenv("TFRUNS_ALIAS_FROM_ENV", "s3://bucket")
    assert Url("<FROM_ENV>/a").expand() == "s3://bucket/a"
    with pytest.raises(ValueError, match="unknown"):
        Url("<NOBODY>/a").expand()
    with pytest.raises(ValueError, match="capitals"):
        Url.register_alias("lower", "/x")
