"""One training restarted in four ways, read by TensorBoard's two loaders and by us: as the guide tells."""

import pytest
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.proto.event_pb2 import SessionLog

import tfruns_rs as tfr
from interop import data_server, python_loader
from interop.foreign_files import Value, value_event, write_events

FIRST, SECOND = 0.0, 1.0  # what each attempt logs
START = 1_700_000_000.0


def scalars(value, steps, start):
    return [value_event(i, start + i, Value(tag="loss", simple_value=value)) for i in steps]


def write(logdir, name, events, start):
    opening = event_pb2.Event(wall_time=start, file_version="brain.Event:2")
    write_events(logdir / name, [opening, *events], file_version=None)


def session_start(step, wall_time):
    return event_pb2.Event(step=step, wall_time=wall_time, session_log=SessionLog(status=SessionLog.START))


def a_new_file(logdir):
    """A crash after step 5, then from the checkpoint of step 3 in a new file: nearly every writer."""
    write(logdir, "events.out.tfevents.1700000000.h.1.0", scalars(FIRST, range(6), START), START)
    again = scalars(SECOND, range(3, 8), START + 100)
    write(logdir, "events.out.tfevents.1700000100.h.2.0", again, START + 100)


def one_file(logdir):
    """The same, in one file."""
    events = scalars(FIRST, range(6), START) + scalars(SECOND, range(3, 8), START + 100)
    write(logdir, "events.out.tfevents.1700000000.h.1.0", events, START)


def session_starts(logdir):
    """The same in two files that begin with session starts: TensorFlow 1, or torch with `purge_step`."""
    first = [session_start(0, START), *scalars(FIRST, range(6), START)]
    second = [session_start(3, START + 100), *scalars(SECOND, range(3, 8), START + 100)]
    write(logdir, "events.out.tfevents.1700000000.h.1.0", first, START)
    write(logdir, "events.out.tfevents.1700000100.h.2.0", second, START + 100)


def side_by_side(logdir):
    """Two processes at the same time, the second from step 3 on: no restart at all."""
    write(logdir, "events.out.tfevents.1700000000.h.1.0", scalars(FIRST, range(8), START), START)
    beside = scalars(SECOND, range(3, 8), START + 1)
    write(logdir, "events.out.tfevents.1700000001.h.2.0", beside, START + 1)


ALL = [*((i, FIRST) for i in range(6)), *((i, SECOND) for i in range(3, 8))]
LAST = [*((i, FIRST) for i in range(3)), *((i, SECOND) for i in range(3, 8))]
BESIDE = sorted([*((i, FIRST) for i in range(8)), *((i, SECOND) for i in range(3, 8))])


def seen(points):
    return sorted((point.step, point.value) for point in points)


def ours(logdir, restarts):
    frame = tfr.collect_events(logdir, type="scalar", restarts=restarts)
    return sorted(frame.select("step", "value").rows())


@pytest.mark.parametrize(
    ("restart", "keep", "last", "python", "rust"),
    [
        (a_new_file, ALL, LAST, ALL, LAST),
        (one_file, ALL, ALL, ALL, LAST),
        (session_starts, ALL, LAST, LAST, LAST),
        (side_by_side, BESIDE, BESIDE, BESIDE, LAST),
    ],
)
def test_restarts(tmp_path, restart, keep, last, python, rust):  # noqa: PLR0917
    restart(tmp_path)
    with data_server.DataServer(tmp_path) as server:
        found = {
            "keep": ours(tmp_path, "keep"),
            "last": ours(tmp_path, "last"),
            "python": seen(python_loader.accumulated_scalars(tmp_path)),
            "rust": seen(server.scalars()),
        }
    assert found == {
        "keep": sorted(keep),
        "last": sorted(last),
        "python": sorted(python),
        "rust": sorted(rust),
    }
