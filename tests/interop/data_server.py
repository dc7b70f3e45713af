"""TensorBoard's Rust data server, the wheel `tensorboard-data-server`, as a reader of a logdir.

The server's log says when a load cycle is finished and what it dislikes; its gRPC data provider says what it
read. All samples are kept, and all records checksummed, unless a test asks otherwise.
"""

import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import grpc
import tensorboard_data_server
from tensorboard.data import grpc_provider
from tensorboard.data.proto import data_provider_pb2
from tensorboard.util import tensor_util

from interop.points import Point

PLUGINS = (
    "scalars",
    "histograms",
    "images",
    "audio",
    "text",
    "hparams",
    "pr_curves",
    "mesh",
    "custom_scalars",
)
_EVERYTHING = 2**31 - 1
_LARGEST_MESSAGE = 1 << 30


class DataServer:
    """One running data server.

    Attributes:
        complaints: The warnings and errors of its log, one line each.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        *,
        checksum: bool = True,
        reload: int | None = None,
        sampled: bool = False,
    ) -> None:
        """Start the server and wait until it has read everything once.

        Args:
            logdir: What to serve.
            checksum: Verify every record.
            reload: Seconds between two load cycles; None loads once.
            sampled: Keep the server's default samples instead of all points.
        """
        self.complaints: list[str] = []
        self.load_seconds: list[float] = []
        self._cycle = threading.Condition()
        with tempfile.TemporaryDirectory(prefix="data_server_") as private:
            port_file = Path(private) / "port"
            command = [
                str(tensorboard_data_server.server_binary()),
                f"--logdir={os.fspath(logdir)}",
                f"--reload={'once' if reload is None else reload}",
                f"--port-file={port_file}",
                "--port=0",
                "--die-after-stdin",
                "--verbose",
                *(["--checksum"] if checksum else []),
                *([] if sampled else ["--samples-per-plugin=" + ",".join(f"{p}=all" for p in PLUGINS)]),
            ]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            self._log = threading.Thread(target=self._read_log, name="data-server-log", daemon=True)
            self._log.start()
            self.wait_for_cycle(1)
            port = int(port_file.read_text())
        self._channel = grpc.insecure_channel(
            f"localhost:{port}", options=[("grpc.max_receive_message_length", _LARGEST_MESSAGE)]
        )
        self._stub = grpc_provider.make_stub(self._channel)

    def _read_log(self) -> None:
        for line in self._process.stderr:
            with self._cycle:
                if finished := re.search(r"Finished load cycle \(([\d.]+)(ns|µs|ms|s)\)", line):
                    unit = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}[finished[2]]
                    self.load_seconds.append(float(finished[1]) * unit)
                elif re.search(r" (WARN|ERROR) ", line):
                    self.complaints.append(line.strip())
                self._cycle.notify_all()
        with self._cycle:
            self._cycle.notify_all()

    def wait_for_cycle(self, count: int, timeout: float = 60.0) -> None:
        """Wait until `count` load cycles are finished since the start."""
        with self._cycle:
            done = self._cycle.wait_for(
                lambda: len(self.load_seconds) >= count or self._process.poll() is not None, timeout
            )
        if not done or self._process.poll() is not None:
            raise RuntimeError(f"the data server did not finish loading: {self.complaints}")

    def wait_until(self, ready: Callable[[list[Point]], bool], timeout: float = 60.0) -> list[Point]:
        """Poll the scalars of a reloading server until they are as `ready` wants them, or time is up."""
        deadline = time.monotonic() + timeout
        while not ready(points := self.scalars()) and time.monotonic() < deadline:
            self.wait_for_cycle(len(self.load_seconds) + 1)
        return points

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def runs(self) -> list[str]:
        """The names of the runs."""
        return sorted(run.name for run in self._stub.ListRuns(data_provider_pb2.ListRunsRequest()).runs)

    def scalars(self) -> list[Point]:
        """Every point of every scalar series, in the order of run, tag and the series itself."""
        request = data_provider_pb2.ReadScalarsRequest()
        request.plugin_filter.plugin_name = "scalars"
        request.downsample.num_points = _EVERYTHING
        return [
            Point(run.run_name, tag.tag_name, *point)
            for run in self._stub.ReadScalars(request).runs
            for tag in run.tags
            for point in zip(tag.data.step, tag.data.wall_time, tag.data.value, strict=True)
        ]

    def scalar_metadata(self) -> dict[tuple[str, str], object]:
        """The summary metadata of every scalar series, by run and tag."""
        request = data_provider_pb2.ListScalarsRequest()
        request.plugin_filter.plugin_name = "scalars"
        return {
            (run.run_name, tag.tag_name): tag.metadata.summary_metadata
            for run in self._stub.ListScalars(request).runs
            for tag in run.tags
        }

    def tensors(self, plugin: str) -> list[Point]:
        """Every point of every tensor series of a plugin, values as arrays."""
        request = data_provider_pb2.ReadTensorsRequest()
        request.plugin_filter.plugin_name = plugin
        request.downsample.num_points = _EVERYTHING
        return [
            Point(run.run_name, tag.tag_name, step, wall_time, tensor_util.make_ndarray(value))
            for run in self._stub.ReadTensors(request).runs
            for tag in run.tags
            for step, wall_time, value in zip(tag.data.step, tag.data.wall_time, tag.data.value, strict=True)
        ]

    def blobs(self, plugin: str) -> list[Point]:
        """Every point of every blob series of a plugin, values as lists of bytes."""
        request = data_provider_pb2.ReadBlobSequencesRequest()
        request.plugin_filter.plugin_name = plugin
        request.downsample.num_points = _EVERYTHING
        return [
            Point(
                run.run_name,
                tag.tag_name,
                step,
                wall_time,
                [self._blob(ref.blob_key) for ref in value.blob_refs],
            )
            for run in self._stub.ReadBlobSequences(request).runs
            for tag in run.tags
            for step, wall_time, value in zip(tag.data.step, tag.data.wall_time, tag.data.values, strict=True)
        ]

    def _blob(self, key: str) -> bytes:
        request = data_provider_pb2.ReadBlobRequest(blob_key=key)
        return b"".join(chunk.data for chunk in self._stub.ReadBlob(request))

    def close(self) -> None:
        """End the server."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
        self._log.join()
        self._process.stdin.close()
        self._process.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
