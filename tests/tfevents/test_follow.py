import asyncio
import gzip
import os
import threading
import time

import numpy as np
import polars as pl
import pytest

import tfruns_rs as tfr
from tfevents.records import Value, event, metadata, records, scalar, version, write_file
from tfruns_rs.errors import LogdirNotFoundError


def append(path, *events):
    with path.open("ab") as file:
        for one in records(events):
            file.write(one)


def steps(frame):
    return frame["step"].to_list()


def test_a_connection_resumes_where_it_stopped(tmp_path):
    path = write_file(tmp_path / "b", [version(), scalar("x", 1, 1)])
    connection = tfr.events_logdir(tmp_path)
    assert tfr.events_logdir(connection) is connection
    assert steps(connection.collect(type="scalar")) == [1]
    assert connection.collect(type="scalar").is_empty()
    append(path, scalar("x", 2, 2))
    write_file(tmp_path / "a", [version(), scalar("x", 3, 3)])
    assert connection.collect(type="scalar").select("run", "step").rows() == [("a", 3), ("b", 2)]
    assert connection.collect(type="scalar").schema == tfr.collect_events(tmp_path, type="scalar").schema
    assert len(connection.files) == 2


def test_an_archive_is_given_n_at_a_time_and_once(tmp_path):
    path = write_file(tmp_path / "a", [version(), *(scalar("x", i, i) for i in range(50))])
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    connection = tfr.events_logdir(tmp_path)
    assert [connection.collect(20, "scalar").height for _ in range(4)] == [20, 20, 10, 0]
    assert [connection.collect(type="scalar", tag="x").height for _ in range(2)] == [50, 0]
    assert connection.changes == []


def test_n_at_a_time_equals_everything_at_once(tmp_path):
    for run in ("a", "b"):
        write_file(tmp_path / run, [version(), *(scalar("x", i, i) for i in range(5))])
    connection = tfr.events_logdir(tmp_path)
    got = []
    while not (frame := connection.collect(3, "scalar")).is_empty():
        assert frame.height <= 3
        got += frame.rows()
    assert got == tfr.collect_events(tmp_path, type="scalar").rows()


def test_collect_events_takes_a_connection(tmp_path):
    path = write_file(tmp_path, [version(), scalar("x", 1, 1), scalar("x", 2, 2)])
    connection = tfr.events_logdir(tmp_path)
    assert steps(tfr.collect_events(connection, n=1, type="scalar")) == [1]
    assert steps(tfr.collect_events(connection, type="scalar")) == [2]
    append(path, scalar("x", 3, 3))
    frame = tfr.collect_events(connection, type="scalar", categorical=True)
    assert steps(frame) == [3]
    assert frame.schema["tag"] == pl.Categorical
    with pytest.raises(ValueError, match="a connection gives those that are new"):
        tfr.collect_events(connection, type="scalar", restarts="last")


KINDS = ("histogram", "text", "image", "audio", "tensor", "hparams")


def log_every_kind(i):
    tfr.log_event(
        {
            "histogram": tfr.summary_histogram([i, i + 1]),
            "text": f"text {i}",
            "image": tfr.summary_image(np.zeros((1, 2, 3, 1))),
            "audio": tfr.summary_audio(np.zeros((1, 4, 1))),
            "tensor": tfr.summary_tensor([i]),
            "hparams": [tfr.summary_hparams(i=i)],
            "scalar": i,
        },
        step=i,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_values_one_at_a_time(tmp_path, kind):
    for run in ("a", "b"):
        with tfr.with_logdir(tmp_path / run):
            for i in range(3):
                log_every_kind(i)
    connection = tfr.events_logdir(tmp_path)
    everything = tfr.collect_events(tmp_path, type=kind)
    found = [connection.collect(n, kind) for n in (1, 4, 4)]
    assert [frame.height for frame in found] == [1, 4, 1]
    assert pl.concat(found).equals(everything)
    with tfr.with_logdir(tmp_path / "a"):
        log_every_kind(3)
    later = connection.collect(5, kind)
    assert later["step"].to_list() == [3]
    assert later["run"].item().startswith("a")
    empty = connection.collect(type=kind)
    assert (empty.height, empty.schema) == (0, everything.schema)


def test_iteration_gives_each_event_once(tmp_path):
    with tfr.with_logdir(tmp_path), tfr.events_logdir(tmp_path) as connection:
        assert list(connection) == []
        for i in range(2500):
            tfr.log_event(x=i)
        first = next(connection)
        assert first["what"] == "file_version"
        assert [tfr.value(event) for event in connection] == list(range(2500))
        assert list(connection) == []
        assert connection.collect(type="scalar").height == 2500  # another question
        tfr.log_event(x=-1, step=2500)
        assert [event["step"] for event in connection] == [2500]
    assert repr(connection) == f"<EventsLogdir: {tmp_path}, closed>"
    with pytest.raises(ValueError, match="the connection is closed"):
        connection.collect()
    with pytest.raises(ValueError, match="the connection is closed"):
        next(connection)


def test_a_question_takes_nothing_from_another(tmp_path):
    write_file(tmp_path, [version(), scalar("x", 1, 1), scalar("y", 2, 2)])
    connection = tfr.events_logdir(tmp_path)
    assert steps(connection.collect(type="scalar", tag="y")) == [2]
    assert steps(connection.collect(type="scalar", tag="x")) == [1]
    assert connection.collect().height == 3
    assert connection.collect(type="scalar", tag="y").is_empty()


def test_a_record_in_pieces_comes_once_it_is_whole(tmp_path):
    first, second = records([scalar("x", 1, 1), scalar("x", 2, 2)])
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(first)
    connection = tfr.events_logdir(tmp_path)
    got = steps(connection.collect(type="scalar"))
    for byte in second:
        with path.open("ab") as file:
            file.write(bytes([byte]))
        got += steps(connection.collect(type="scalar", on_corrupt="raise"))
    assert got == [1, 2]


def test_metadata_is_carried_over_a_pause(tmp_path):
    value = Value(tag="x")
    value.tensor.dtype = 1
    value.tensor.float_val.append(2.5)
    first = Value()
    first.CopyFrom(value)
    first.metadata.CopyFrom(metadata("scalars"))
    path = write_file(tmp_path, [version(), event(first, step=1)])
    connection = tfr.events_logdir(tmp_path)
    assert steps(connection.collect(type="scalar")) == [1]
    append(path, event(value, step=2))
    assert steps(connection.collect(type="scalar")) == [2]


def test_what_happens_to_files_is_noticed(tmp_path):
    path = write_file(tmp_path, [version(), *(scalar("x", i, i) for i in range(5))])
    connection = tfr.events_logdir(tmp_path)
    connection.collect(type="scalar")
    other = write_file(tmp_path / "elsewhere", [version(), *(scalar("x", i, i) for i in range(9, 19))])
    other.rename(path)
    assert steps(connection.collect(type="scalar")) == list(range(9, 19))
    path.write_bytes(b"".join(records([scalar("x", 7, 7)])))
    assert steps(connection.collect(type="scalar")) == [7]
    path.unlink()
    assert connection.collect(type="scalar").is_empty()
    assert connection.changes == [(str(path), what) for what in ("replaced", "truncated", "deleted")]


def test_follow_yields_frames_as_files_grow(tmp_path):
    path = write_file(tmp_path, [version(), scalar("x", 0, 0)])

    def grow():
        for i in range(1, 4):
            time.sleep(0.05)
            append(path, scalar("x", i, i))

    writer = threading.Thread(target=grow)
    got = []
    for frame in (frames := tfr.follow(tmp_path, poll_secs=0.01)):
        assert frame.height > 0
        got += steps(frame)
        if got == [0]:
            writer.start()
        if len(got) == 4:
            frames.close()
    writer.join()
    assert got == [0, 1, 2, 3]


def test_follow_is_an_async_iterator(tmp_path):
    path = write_file(tmp_path, [version(), scalar("x", 0, 0)])

    async def read():
        got = []
        async for frame in tfr.follow(tmp_path, poll_secs=0.01, idle_secs=0.3):
            got += steps(frame)
            if len(got) < 3:
                append(path, scalar("x", len(got), len(got)))
        return got

    assert asyncio.run(read()) == [0, 1, 2]


def test_an_idle_follow_ends(tmp_path):
    assert list(tfr.follow(tmp_path, idle_secs=0)) == []
    with pytest.raises(LogdirNotFoundError):
        tfr.follow(tmp_path / "missing")


def test_nothing_new_is_found_without_listing_again(tmp_path):
    path = write_file(tmp_path / "a", [version(), scalar("x", 1, 1)])
    for directory in (tmp_path / "a", tmp_path):
        os.utime(directory, (0, 0))  # long ago: a directory that has just changed is listed again
    connection = tfr.events_logdir(tmp_path)
    assert steps(connection.collect(type="scalar")) == [1]
    for _ in range(3):
        assert connection.collect(type="scalar").is_empty()
    append(path, scalar("x", 2, 2))
    assert steps(connection.collect(type="scalar")) == [2]
    write_file(tmp_path / "a" / "b", [version(), scalar("x", 3, 3)])
    assert steps(connection.collect(type="scalar")) == [3]
    (tmp_path / "c").symlink_to(tmp_path / "a", target_is_directory=True)
    assert sorted(steps(connection.collect(type="scalar"))) == [1, 2, 3]
    assert connection.collect(type="scalar").is_empty()


def test_a_pattern_may_match_more_later(tmp_path):
    write_file(tmp_path / "a" / "logs", [version(), scalar("x", 1, 1)])
    connection = tfr.events_logdir(tmp_path / "*" / "logs")
    assert steps(connection.collect(type="scalar")) == [1]
    write_file(tmp_path / "b" / "logs", [version(), scalar("x", 2, 2)])
    frame = connection.collect(type="scalar")
    assert steps(frame) == [2]
    assert frame.schema == tfr.collect_events(tmp_path, type="scalar").schema


@pytest.mark.parametrize("secs", [{"poll_secs": -1}, {"poll_secs": "1"}, {"idle_secs": float("nan")}])
def test_times_that_make_no_sense_are_named(tmp_path, secs):
    with pytest.raises(ValueError, match=f"`{next(iter(secs))}` must be a number of seconds"):
        tfr.follow(tmp_path, **secs)
