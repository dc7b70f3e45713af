"""How things are measured: in fresh processes, on named cores, medians of several runs."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

CACHE = Path(__file__).parent.parent / "build" / "bench"
REPEATS = 7


def cores(count: int) -> set[int]:
    """The first `count` cores this process may use."""
    return set(sorted(os.sched_getaffinity(0))[:count])


def pinned(count: int) -> Callable[[], None]:
    """A `preexec_fn` that keeps a child on `count` cores."""
    chosen = cores(count)
    return lambda: os.sched_setaffinity(0, chosen)


def child(code: str, *arguments: str, on_cores: int = 1) -> dict[str, float]:
    """Run code in a fresh interpreter; its last line of output is a JSON object of figures."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        preexec_fn=pinned(on_cores),
    )
    return json.loads(done.stdout.splitlines()[-1])


def median_child(code: str, *arguments: str, on_cores: int = 1, repeats: int = REPEATS) -> dict[str, float]:
    """The median of every figure of several fresh interpreters."""
    runs = [child(code, *arguments, on_cores=on_cores) for _ in range(repeats)]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def speedup_by_cores(code: str, *arguments: str, repeats: int = REPEATS) -> tuple[float, float, str]:
    """Median wall times on one core and on two, in turns, so that a disturbance meets both; their ratios."""
    walls = [[child(code, *arguments, on_cores=count)["wall"] for count in (1, 2)] for _ in range(repeats)]
    one, two = ([pair[i] for pair in walls] for i in (0, 1))
    by_pair = statistics.median(pair[0] / pair[1] for pair in walls)
    by_best = min(one) / min(two)
    note = f"two cores; {repeats} pairs in turns: median {by_pair:.2f} x, best by best {by_best:.2f} x"
    return statistics.median(one), statistics.median(two), note


def data_server_cpu_seconds(logdir: Path, *options: str) -> float:
    """User and system time of TensorBoard's Rust data server from its start until a logdir is loaded once."""
    import tensorboard_data_server

    with tempfile.TemporaryDirectory() as private:
        command = [
            str(tensorboard_data_server.server_binary()),
            f"--logdir={logdir}",
            "--reload=once",
            "--port=0",
            f"--port-file={private}/port",
            "--verbose",
            *options,
        ]
        server = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=pinned(1),  # noqa: PLW1509 (no threads are running here)
        )
        for line in server.stderr:
            if "Finished load cycle" in line:
                break
        server.kill()
        _, _, usage = os.wait4(server.pid, 0)
        server.returncode = 0  # reaped above, so that `Popen` does not wait again
        server.stderr.close()
    return usage.ru_utime + usage.ru_stime


def median(measure: Callable[[], float], repeats: int = REPEATS) -> float:
    """The median of several measurements."""
    return statistics.median(measure() for _ in range(repeats))
