"""What is lost when a training process ends, beside tensorboardX, tf.summary and TensorBoard's
writer, which is torch's.

Each writer logs 1000 scalars and ends in one of several ways; what is whole in its file is counted.
TensorFlow may live in an environment of its own:
`python benches/compare_loss.py --tensorflow path/to/its/python`.
"""

import argparse
import importlib.util
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

LOGGED = 1000

WRITERS = {
    "tfruns_rs": """
import tfruns_rs as tfr
writer = tfr.EventWriter(logdir)
log, flush = (lambda i: writer.add_scalar("x", i, i)), writer.flush
""",
    "tfruns_rs, flush_secs=0": """
import tfruns_rs as tfr
writer = tfr.EventWriter(logdir, flush_secs=0)
log, flush = (lambda i: writer.add_scalar("x", i, i)), writer.flush
""",
    "tensorboardX": """
from tensorboardX import SummaryWriter
writer = SummaryWriter(logdir)
log, flush = (lambda i: writer.add_scalar("x", i, i)), writer.flush
""",
    "TensorBoard": """
import types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
writer = EventFileWriter(logdir)
def log(i):
    value = Summary.Value(tag="x", simple_value=i)
    writer.add_event(Event(wall_time=1.0, step=i, summary=Summary(value=[value])))
flush = writer.flush
""",
    "tf.summary": """
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
writer = tf.summary.create_file_writer(logdir)
writer.set_as_default()
log, flush = (lambda i: tf.summary.scalar("x", i, step=i)), writer.flush
""",
}
HANGS_SECS = 240

ENDS = {
    "exit without close": "",
    "kill -9 at once": "os.kill(os.getpid(), 9)",
    "kill -9 three seconds later": "time.sleep(3); os.kill(os.getpid(), 9)",
    "kill -9 after flush()": "flush(); os.kill(os.getpid(), 9)",
    "os._exit after flush()": "flush(); os._exit(0)",
    "in a forked child, which flushes": "",
}

LOG = f"for i in range({LOGGED}): log(i)\n"
IN_CHILD = f"""
pid = os.fork()
if pid == 0:
    for i in range({LOGGED}): log(i)
    flush(); os._exit(0)
os.waitpid(pid, 0)
"""


def whole_records(logdir: Path) -> int:
    """The records of all files that are whole, less the first one of each."""
    count = 0
    for path in logdir.rglob("*tfevents*"):
        data, at = path.read_bytes(), 0
        while at + 12 <= len(data) and (end := at + 16 + struct.unpack_from("<Q", data, at)[0]) <= len(data):
            at = end
            count += 1
        count -= at > 0
    return count


def kept(prepare: str, end: str, python: str) -> str:
    """How many of the records are in the file after the process has ended so."""
    body = IN_CHILD if end.startswith("in a forked") else LOG
    script = f"import os, sys, time\nlogdir = sys.argv[1]\n{prepare}\n{body}{ENDS[end]}"
    with tempfile.TemporaryDirectory() as logdir:
        try:
            done = subprocess.run(
                [python, "-c", script, logdir],
                check=False,
                capture_output=True,
                text=True,
                timeout=HANGS_SECS,
            )
        except subprocess.TimeoutExpired:
            return f"hangs, {whole_records(Path(logdir))}"
        if "Traceback" in done.stderr:
            sys.exit(done.stderr)
        return str(whole_records(Path(logdir)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    here = sys.executable if importlib.util.find_spec("tensorflow") else None
    parser.add_argument("--tensorflow", default=here, help="a Python that has TensorFlow")
    pythons = dict.fromkeys(WRITERS, sys.executable) | {"tf.summary": parser.parse_args().tensorflow}
    writers = [name for name in WRITERS if pythons[name]]
    print("| records kept of 1000 | " + " | ".join(writers) + " |")
    print("|---|" + "---:|" * len(writers))
    for end in ENDS:
        counts = [kept(WRITERS[name], end, pythons[name]) for name in writers]
        print(f"| {end} | " + " | ".join(counts) + " |", flush=True)


if __name__ == "__main__":
    main()
