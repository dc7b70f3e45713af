import gzip
import signal
import struct
import subprocess
import sys
import time
import warnings

import pytest
from tensorboard.compat.proto import summary_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

import tfruns_rs as tfr
from tfevents.records import (
    FILE_NAME,
    START,
    Event,
    Value,
    event,
    record,
    records,
    scalar,
    version,
    write_file,
)
from tfruns_rs.errors import CorruptRecordError, CorruptRecordWarning

EVENTS = [version(), *(scalar(tag, i / 2, i) for i in range(4) for tag in ("loss", "accuracy"))]
RECORDS = records(EVENTS)
STARTS = [sum(map(len, RECORDS[:i])) for i in range(len(RECORDS) + 1)]


def write_bytes(directory, content):
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / FILE_NAME
    path.write_bytes(content)
    return path


def steps(logdir, **options):
    return tfr.collect_events(logdir, type="scalar", **options).select("tag", "step").rows()


WHOLE = [("loss", i) if j == 0 else ("accuracy", i) for i in range(4) for j in range(2)]


def test_truncation_at_every_byte_yields_a_prefix(tmp_path):
    content = b"".join(RECORDS)
    for length in range(len(content) + 1):
        path = write_bytes(tmp_path, content[:length])
        whole = sum(1 for start in STARTS[2:] if start <= length)
        assert steps(path, on_corrupt="raise") == WHOLE[:whole], length
        assert tfr.verify_events(path).is_empty()


def test_a_flipped_bit_is_reported_in_its_place_and_costs_one_record(tmp_path):
    content = b"".join(RECORDS)
    lost = []
    for bit in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path = write_bytes(tmp_path / f"{bit:06}", damaged)
        lost.append((str(path), next(i for i, start in enumerate(STARTS[1:]) if bit // 8 < start)))
    report = tfr.verify_events(tmp_path)
    assert report.select("file", "offset", "bytes", "recovered").rows() == [
        (path, STARTS[number], len(RECORDS[number]), len(RECORDS) - number - 1) for path, number in lost
    ]
    frame = tfr.collect_events(tmp_path, type="scalar", on_corrupt="skip").select("run", "tag", "step")
    assert frame.rows() == [
        (f"{bit:06}", *row)
        for bit, (_, number) in enumerate(lost)
        for i, row in enumerate(WHOLE)
        if i + 1 != number
    ]


def test_on_corrupt(tmp_path):
    damaged = bytearray(b"".join(RECORDS))
    damaged[STARTS[2] + 20] ^= 1
    damaged[STARTS[4] + 20] ^= 1
    path = write_bytes(tmp_path, damaged)
    with pytest.warns(CorruptRecordWarning, match=r"payload checksum.*and 1 more") as caught:
        assert len(steps(tmp_path)) == len(WHOLE) - 2
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(steps(tmp_path, on_corrupt="skip")) == len(WHOLE) - 2
    with pytest.raises(CorruptRecordError, match="payload checksum") as raised:
        steps(tmp_path, on_corrupt="raise")
    assert (raised.value.path, raised.value.offset) == (str(path), STARTS[2])
    assert path.read_bytes() == damaged


def test_zeros_at_the_end_are_not_there_yet(tmp_path):
    path = write_bytes(tmp_path, b"".join(RECORDS) + bytes(10_000))
    assert steps(path, on_corrupt="raise") == WHOLE
    assert tfr.verify_events(path).is_empty()


def test_zeros_before_records_are_lost(tmp_path):
    path = write_bytes(tmp_path, RECORDS[0] + bytes(4096) + b"".join(RECORDS[1:]))
    assert steps(path, on_corrupt="skip") == WHOLE
    report = tfr.verify_events(path)
    assert report.rows() == [(str(path), STARTS[1], 4096, "zeros", len(WHOLE))]


def test_a_length_beyond_the_end_is_damage_only_if_records_follow(tmp_path):
    header = struct.pack("<Q", 1 << 40)
    huge = header + struct.pack("<I", masked_crc32c(header))
    path = write_bytes(tmp_path, RECORDS[0] + huge + b"some bytes")
    assert tfr.verify_events(path).is_empty()
    path = write_bytes(tmp_path, RECORDS[0] + huge + b"".join(RECORDS[1:]))
    assert tfr.verify_events(path)["reason"].to_list() == ["length beyond the end"]
    assert steps(path, on_corrupt="skip") == WHOLE


def bad_events():
    summary = Event(
        wall_time=START, step=1, summary=summary_pb2.Summary(value=[Value(tag="x", simple_value=1)])
    )
    good = summary.SerializeToString()
    return {
        "varint of eleven bytes": b"\x10" + b"\xff" * 10 + b"\x01",
        "wire type 7": good + b"\x7f",
        "length beyond the message": b"\x2a\x7f\x0a",
        "tag that is no UTF-8": b"\x2a\x07\x0a\x05\x0a\x03\xff\xfe\xfd",
        "nested groups": b"\x6b" * 100_000,
        "field number 0": b"\x00\x01",
        "string where a number belongs": b"\x12\x01a",
    }


@pytest.mark.parametrize("name", bad_events())
def test_a_payload_that_is_no_event_costs_one_row_of_the_report(tmp_path, name):
    bad = record(bad_events()[name])
    path = write_bytes(tmp_path, b"".join(RECORDS[:3]) + bad + b"".join(RECORDS[3:]))
    for kind in ("scalar", "summary", "any"):
        with pytest.raises(CorruptRecordError, match="no event"):
            tfr.collect_events(path, type=kind, on_corrupt="raise")
    assert steps(path, on_corrupt="skip") == WHOLE
    report = tfr.verify_events(path)
    assert report.select("offset", "bytes", "recovered").rows() == [(STARTS[3], len(bad), len(RECORDS) - 3)]
    assert report["reason"][0].startswith("no event: ")


def test_an_image_that_holds_an_event_file_gives_no_phantom_rows(tmp_path):
    inner = b"".join(records(scalar("phantom", i, i) for i in range(200)))
    image = summary_pb2.Summary.Image(height=1, width=1, encoded_image_string=inner)
    holder = record(event(Value(tag="image", image=image)).SerializeToString())
    for damage in (None, 3, 9, 30, len(holder) // 2, len(holder) - 2):
        damaged = bytearray(holder)
        if damage is not None:
            damaged[damage] ^= 4
        path = write_bytes(tmp_path, b"".join(RECORDS) + damaged + b"".join(RECORDS))
        assert steps(path, on_corrupt="skip") == WHOLE * 2
        assert tfr.verify_events(path).height == (damage is not None)


def test_many_damaged_places_are_summed_up(tmp_path):
    path = write_bytes(tmp_path, b"".join(b"x" + record(b"\x10\x01") for _ in range(12_000)))
    report = tfr.verify_events(path)
    assert report.height == 10_000
    assert report["bytes"].sum() == 12_000
    assert report["reason"][-1] == "many places"


def test_repaired_copies_hold_what_could_be_read(tmp_path):
    damaged = bytearray(b"".join(RECORDS))
    damaged[STARTS[3] + 1] ^= 1
    source = tmp_path / "logs"
    path = write_bytes(source / "a" / "b", damaged + RECORDS[1][:20])
    write_file(source, [version(), scalar("x", 1)])
    report = tfr.repair_events(source, tmp_path / "clean")
    assert report.equals(tfr.verify_events(source))
    assert report.height == 1
    copy = tmp_path / "clean" / "a" / "b" / FILE_NAME
    assert copy.read_bytes() == b"".join(RECORDS[:3] + RECORDS[4:])
    assert path.read_bytes() == damaged + RECORDS[1][:20]
    assert tfr.verify_events(tmp_path / "clean").is_empty()
    with pytest.raises(FileExistsError):
        tfr.repair_events(source, tmp_path / "clean")
    with pytest.raises(FileExistsError):
        tfr.repair_events(source, source)


def test_a_file_that_cannot_be_read_hides_no_other(tmp_path):
    write_file(tmp_path / "a", [scalar("x", 1)])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "events.out.tfevents.1").write_bytes(b"no event file at all, but long enough to be one")
    with pytest.warns(CorruptRecordWarning, match="header checksum"):
        assert steps(tmp_path) == [("x", 0)]


HALF = 1 << 20


def header(length):
    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", masked_crc32c(packed))


@pytest.mark.parametrize(
    ("part", "reasons"),
    [
        (header(HALF), {"search given up"}),
        (header(HALF) + record(b"\x10\x01"), {"payload checksum", "search given up"}),
        (struct.pack("<QI", HALF, 12345) + record(b"\x10\x01"), {"header checksum", "search given up"}),
        (header(1 << 40) + record(b"\x10\x01"), {"length beyond the end", "many places"}),
        (header(HALF >> 4) + record(b"\x10\x01"), {"payload checksum", "search given up"}),
    ],
    ids=["headers", "between records", "bad headers", "beyond the end", "shorter"],
)
def test_headers_that_lead_nowhere_cost_little(tmp_path, part, reasons):
    content = part * (2 * HALF // len(part))
    path = write_bytes(tmp_path, content)
    report = tfr.verify_events(path)
    assert set(report["reason"]) == reasons
    assert report["bytes"].sum() + 18 * report["recovered"].max() == len(content)
    assert tfr.collect_events(path, on_corrupt="skip").height <= len(content) // len(part)


def test_a_length_that_only_a_sparse_file_has_takes_no_memory(tmp_path):
    path = write_bytes(tmp_path, RECORDS[0] + header(1 << 40))
    with path.open("r+b") as file:
        file.truncate(STARTS[1] + 16 + (1 << 40))
    assert tfr.verify_events(path).select("offset", "bytes", "reason").rows() == [
        (STARTS[1], 16 + (1 << 40), "payload checksum")
    ]


def write_archive(directory, packed):
    directory.mkdir(exist_ok=True)
    path = directory / (FILE_NAME + ".gz")
    path.write_bytes(packed)
    return path


def test_a_copy_of_a_damaged_archive_is_an_archive_without_the_damage(tmp_path):
    damaged = bytearray(b"".join(RECORDS))
    damaged[STARTS[2] + 20] ^= 1
    path = write_archive(tmp_path / "archive", gzip.compress(damaged))
    report = tfr.repair_events(path.parent, tmp_path / "copy")
    assert report.rows() == [(str(path), STARTS[2], len(RECORDS[2]), "payload checksum", len(RECORDS) - 3)]
    assert tfr.verify_events(tmp_path / "copy").is_empty()
    assert steps(tmp_path / "copy") == WHOLE[:1] + WHOLE[2:]
    copied = gzip.decompress((tmp_path / "copy" / path.name).read_bytes())
    assert copied == b"".join(RECORDS[:2] + RECORDS[3:])


def test_an_archive_that_is_cut_or_altered_is_reported(tmp_path):
    packed = gzip.compress(b"".join(100 * RECORDS))
    whole = 100 * len(b"".join(RECORDS))
    for content, ends_at in [(packed[:-5], whole), (packed[:-8] + bytes(8), whole), (packed[:-40], None)]:
        path = write_archive(tmp_path / "archive", content)
        (file, offset, lost, reason, recovered), *more = tfr.verify_events(path).rows()
        assert (file, recovered, more) == (str(path), 0, [])
        assert reason.startswith("archive: ")
        assert offset + lost <= whole
        assert ends_at is None or (offset, lost) == (ends_at, 0)
        with pytest.raises(CorruptRecordError, match="archive: "):
            steps(path, on_corrupt="raise")
    path = write_archive(tmp_path / "archive", b"no archive")
    assert tfr.verify_events(path).select("offset", "bytes", "recovered").rows() == [(0, 10, 0)]
    tfr.repair_events(path, tmp_path / "copy")
    assert gzip.decompress((tmp_path / "copy" / path.name).read_bytes()) == b""


def interrupted(script, path, after_secs):
    """What a script that prints a dot and then reads writes to stdout and stderr if Ctrl-C ends it."""
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as reader:
        reader.stdout.read(1)
        time.sleep(after_secs)
        reader.send_signal(signal.SIGINT)
        return reader.communicate(timeout=30)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT here")
def test_a_long_search_can_be_interrupted(tmp_path):
    path = write_bytes(tmp_path, b"no record, and nothing behind it")
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    script = "import sys, tfruns_rs as tfr; print('.', flush=True); tfr.verify_events(sys.argv[1])"
    _, complaint = interrupted(script, path, after_secs=0.3)
    assert b"KeyboardInterrupt" in complaint


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT here")
@pytest.mark.parametrize(
    "read",
    [
        "tfr.collect_events(paths, tag='another')",
        "tfr.collect_events(paths, type='summary', tag='another')",
        "tfr.scan_events(paths).filter(pl.col('tag') == 'another').collect()",
        "tfr.scan_events(paths).select(pl.len()).collect()",
    ],
    ids=["scalars", "summaries", "lazily", "counting"],
)
def test_a_long_read_can_be_interrupted(tmp_path, read):
    path = write_bytes(tmp_path, b"".join(RECORDS[:1] + 20_000 * RECORDS[1:]))
    script = f"""
import sys, polars as pl, tfruns_rs as tfr
paths = [sys.argv[1]] * 20_000
print(".", flush=True)
{read}
print("read")
"""
    said, complaint = interrupted(script, path, after_secs=0.5)
    assert b"KeyboardInterrupt" in complaint
    assert b"read" not in said


def blob_file(directory):
    image = summary_pb2.Summary.Image(height=1, width=1, encoded_image_string=bytes(100_000))
    events = [version()]
    for i in range(5):
        events += [event(Value(tag="image", image=image), step=i), scalar("loss", i, i)]
    return write_bytes(directory, b"".join(records(events))), records(events)


def test_lazily_blobs_are_passed_over_and_not_verified(tmp_path):
    path, parts = blob_file(tmp_path)
    whole = tfr.collect_events(path, type="scalar")
    assert whole.height == 5
    assert tfr.collect_events(path, type="scalar", checksums="lazy").equals(whole)
    assert tfr.scan_events(path, checksums="lazy").collect().equals(whole)
    assert tfr.events_logdir(path).collect(type="scalar", checksums="lazy").equals(whole)
    images = tfr.collect_events(path, type="image", tag="image", checksums="lazy")
    assert images.equals(tfr.collect_events(path, type="image"))
    damaged = bytearray(b"".join(parts))
    damaged[len(parts[0]) + 50_000] ^= 1
    path.write_bytes(damaged)
    assert tfr.verify_events(path).height == 1
    with pytest.raises(CorruptRecordError):
        tfr.collect_events(path, type="scalar", on_corrupt="raise")
    assert tfr.collect_events(path, type="scalar", checksums="lazy", on_corrupt="raise").equals(whole)
    with pytest.raises(CorruptRecordError):  # an image is read where it is asked for
        tfr.collect_events(path, type="image", checksums="lazy", on_corrupt="raise")
    with pytest.raises(ValueError, match="`checksums` must be one of"):
        tfr.collect_events(path, checksums="none")


@pytest.mark.parametrize("at", [0, 8])
def test_lazily_a_blob_before_a_bad_header_is_verified(tmp_path, at):
    path, parts = blob_file(tmp_path)
    damaged = bytearray(b"".join(parts))
    damaged[len(parts[0]) + len(parts[1]) + at] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CorruptRecordError, match=r"header checksum.*8 records read behind") as raised:
        tfr.collect_events(path, type="scalar", checksums="lazy", on_corrupt="raise")
    assert raised.value.offset == len(parts[0]) + len(parts[1])
    frame = tfr.collect_events(path, type="scalar", checksums="lazy", on_corrupt="skip")
    assert frame["step"].to_list() == [1, 2, 3, 4]


def test_lazily_a_cut_blob_is_not_there_yet(tmp_path):
    path, parts = blob_file(tmp_path)
    path.write_bytes(b"".join(parts[:-2]) + parts[-2][:70_000])
    frame = tfr.collect_events(path, type="scalar", checksums="lazy", on_corrupt="raise")
    assert frame["step"].to_list() == [0, 1, 2, 3]


@pytest.mark.parametrize("cut", [0, 30])
def test_copies_of_packed_files_hold_their_whole_records(tmp_path, cut):
    content = bytearray(b"".join(RECORDS))
    content[STARTS[3] + 20] ^= 1
    packed = gzip.compress(bytes(content))
    path = tmp_path / "logs" / (FILE_NAME + ".gz")
    path.parent.mkdir()
    path.write_bytes(packed[: len(packed) - cut])
    whole = steps(path, on_corrupt="skip")
    report = tfr.repair_events(tmp_path / "logs", tmp_path / "copies")
    assert report.row(0)[1:3] == (STARTS[3], STARTS[4] - STARTS[3])
    assert len(whole) == len(WHOLE) - 1 or cut
    assert steps(tmp_path / "copies", on_corrupt="raise") == whole
    assert (tmp_path / "copies" / path.name).read_bytes()[:2] == b"\x1f\x8b"


def test_a_scan_tells_damage_in_one_warning(tmp_path, monkeypatch):
    monkeypatch.setattr("tfruns_rs.tfevents._scan.FIRST_BATCH_BYTES", 1)
    monkeypatch.setattr("tfruns_rs.tfevents._scan.BATCH_BYTES", 1)
    content = bytearray(b"".join(RECORDS))
    content[STARTS[3] + 20] ^= 1
    for number in range(3):
        write_bytes(tmp_path / str(number), content)
    with pytest.warns(CorruptRecordWarning, match="and 2 more") as told:
        assert tfr.scan_events(tmp_path).collect().height == 3 * (len(WHOLE) - 1)
    assert len(told) == 1
    with pytest.raises(Exception, match="bytes lost at offset"):
        tfr.scan_events(tmp_path, on_corrupt="raise").collect()
