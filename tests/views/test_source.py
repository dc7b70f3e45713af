"""The archive of sources is untrusted: what it says of itself is held against what is there."""

import gzip
import io
import tarfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfruns_rs.views._source import highlight, read_sources


def pack(path, entries, format=tarfile.GNU_FORMAT):  # noqa: A002 - tarfile's word
    with tarfile.open(path, "w:gz", format=format) as archive:
        for name, data, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            entry.size = len(data) if kind == tarfile.REGTYPE else 0
            entry.linkname = "/etc/passwd"
            archive.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_files_are_read_in_order_with_any_name(tmp_path, format):  # noqa: A002 - tarfile's word
    long = "source/" + "/".join(["a" * 60] * (2 if format == tarfile.USTAR_FORMAT else 4)) + ".py"
    names = ["source/b.py", "source/sub/a.py", long, "source/last.py"]
    archive = pack(
        tmp_path / "a.tar.gz", [(name, name.encode() * 200, tarfile.REGTYPE) for name in names], format
    )

    assert read_sources(archive) == {name.removeprefix("source/"): name * 200 for name in names}


def test_only_plain_files_with_plain_names_are_read(tmp_path):
    bad = ["source/../../etc/x", "/etc/x", "source//x", "source/./x", "source/a\\b", "source/new\nline"]
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
    entries = [(name, b"x", tarfile.REGTYPE) for name in bad]
    entries += [(f"source/kind{n}", b"", kind) for n, kind in enumerate(kinds)]
    entries += [("source/binary", b"\xff\x00", tarfile.REGTYPE), ("source/good.py", b"good", tarfile.REGTYPE)]

    assert read_sources(pack(tmp_path / "a.tar.gz", entries)) == {"good.py": "good"}


def test_a_bomb_is_not_unpacked(tmp_path):
    archive = tmp_path / "a.tar.gz"
    packer = zlib.compressobj(9, wbits=31)
    archive.write_bytes(b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush())
    assert archive.stat().st_size < 1_000_000

    assert read_sources(archive) == {}


def test_an_entry_larger_than_the_file_is_left_out(tmp_path):
    whole = gzip.decompress(
        pack(tmp_path / "a.tar.gz", [("source/a.py", b"x" * 5000, tarfile.REGTYPE)]).read_bytes()
    )
    (tmp_path / "cut.tar.gz").write_bytes(gzip.compress(whole[:2000]))
    assert read_sources(tmp_path / "cut.tar.gz") == {}
    assert read_sources(tmp_path / "missing.tar.gz") == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 1535), value=st.integers(0, 255))
def test_no_changed_byte_is_trouble(tmp_path, position, value):
    path = tmp_path / "a.tar.gz"
    if not (tmp_path / "whole").exists():
        (tmp_path / "whole").write_bytes(
            gzip.decompress(pack(path, [("source/a.py", b"x" * 5000, tarfile.REGTYPE)]).read_bytes())
        )
    data = bytearray((tmp_path / "whole").read_bytes())
    data[position] = value
    path.write_bytes(gzip.compress(bytes(data), 1))
    assert isinstance(read_sources(path), dict)


def test_highlighting_keeps_the_text():
    pytest.importorskip("pygments")
    assert highlight("a.py", "x = '<b>'\n").startswith("<span")
    assert "<b>" not in highlight("a.py", "x = '<b>'\n")
    assert highlight("unknown.zzz", "<b>") == "&lt;b&gt;"
