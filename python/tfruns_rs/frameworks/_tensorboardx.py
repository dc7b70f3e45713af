"""`SummaryWriter` with tensorboardX's habits, where they differ from torch's."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.frameworks import _values
from tfruns_rs.frameworks._base_writer import NOT_TAKEN, BaseWriter, number_of, step_of
from tfruns_rs.frameworks._hparams import session_of_x

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

_NO_TAG = re.compile(r"[^-/\w\.]")


class SummaryWriter(BaseWriter):
    """A drop-in for `tensorboardX.SummaryWriter`.

    Unlike torch's writer: characters that tensorboardX does not allow in tags become "_"; `add_scalars`
    writes to `<main_tag>/<tag>`; hyperparameters may be bools and functions; sounds may be stereo.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 1.0,
        filename_suffix: str = "",
        write_to_disk: bool = True,
        log_dir: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        del options  # comet_config, and what tensorboardX hands to its file writer
        directory = log_dir if logdir is None else logdir
        super().__init__(
            directory, comment, purge_step, max_queue, flush_secs, filename_suffix, writes=write_to_disk
        )
        self._default: tuple[int | None, float | None] = (None, None)
        self._exported: dict[str, int] = {}

    def _tag(self, tag: str) -> str:
        return _NO_TAG.sub("_", tag).lstrip("/")

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        display_name: str = "",
        summary_description: str = "",
    ) -> None:
        """Adds a number; see torch's."""
        step, walltime = self._now(global_step, walltime)
        tag = self._tag(tag)
        if display_name or summary_description:
            metadata = _core.encode_metadata("scalars", b"", display_name, summary_description)
            fields = _core.encode_scalar(number_of(scalar_value), exact=True, metadata=metadata)
            self._add([(".", tag, fields)], step, walltime)
            return
        try:
            self._events.add_scalar(tag, scalar_value, step_of(step), wall_time=walltime)
        except NOT_TAKEN:
            self._add_number(tag, scalar_value, step_of(step), walltime)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Adds hyperparameters and the metrics to compare them by, as a session in the sub-run `name`.

        Raises:
            TypeError: Something else than dicts.
        """
        run = self._session_run(hparam_dict, metric_dict, name)
        self._add_session(run, session_of_x(run, hparam_dict, metric_dict), metric_dict, None, global_step)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds numbers that are drawn in one chart: the tag `main_tag` of the sub-runs `<main_tag>/<tag>`."""
        step, walltime = self._now(global_step, walltime)
        super().add_scalars(main_tag, tag_scalar_dict, step, walltime)
        for tag in tag_scalar_dict:
            self._exported.setdefault(self._sub_run(main_tag, tag), 0)

    def _sub_run(self, main_tag: str, tag: str) -> str:
        return f"{main_tag}/{tag}".replace("//", "/").strip("/")

    def export_scalars_to_json(self, path: str | os.PathLike[str]) -> None:
        """Writes what `add_scalars` added since the last export, by sub-run: [[walltime, step, value], …].

        It is read back from the event files: none of it is kept in memory.
        """
        from tfruns_rs.tfevents._read import collect_events

        self.flush()
        found: dict[str, list[list[Any]]] = {}
        for run, done in self._exported.items():
            directory = os.path.join(str(self.log_dir), run)  # noqa: PTH118 - text, as tensorboardX names it
            events = collect_events(directory, type="scalar").sort("wall_time", maintain_order=True)
            rows = events.select("wall_time", "step", "value").rows()
            if rows[done:]:
                found[directory] = [list(row) for row in rows[done:]]
            self._exported[run] = len(rows)
        Path(path).write_text(json.dumps(found), "utf-8")

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
        labels: Sequence[str] | str | None = None,
        *,
        rescale: float = 1,
    ) -> None:
        """Adds a picture with boxes drawn on it; needs Pillow."""
        fields = _values.image_with_boxes(img_tensor, box_tensor, rescale, dataformats, labels)
        self._add([(".", self._tag(tag), fields)], global_step, walltime)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Any = None,
        fps: float = 4,
        walltime: float | None = None,
        dataformats: str = "NTCHW",
    ) -> None:
        """Adds videos, side by side, as one GIF."""
        fields = _values.video(vid_tensor, fps, dataformats)
        self._add([(".", self._tag(tag), fields)], global_step, walltime)

    def add_onnx_graph(self, onnx_model_file: str | os.PathLike[str]) -> None:
        """Adds the graph of an ONNX file; needs onnx."""
        self._add_onnx_graph(onnx_model_file)

    def add_openvino_graph(self, xmlname: Any) -> None:
        """Adds the graph of an OpenVINO file; needs tensorboardX, which reads it."""
        from tfruns_rs.frameworks._graphs import openvino_graph

        self._get_file_writer().add_openvino_graph(openvino_graph(xmlname))

    def _audio(self, snd_tensor: Any, sample_rate: int) -> bytes:
        return _values.audio(snd_tensor, sample_rate, channels_last=True)

    def _mesh(self, tag: str, arrays: dict[str, Any], config: Any) -> _values.Values:
        return _values.mesh(tag, arrays, config, numbered=True)

    def _add(self, values: _values.Values, global_step: Any, walltime: float | None) -> None:
        super()._add(values, *self._now(global_step, walltime))

    def _now(self, global_step: Any, walltime: float | None) -> tuple[Any, float | None]:
        step, time_of = self._default
        return step if global_step is None else global_step, time_of if walltime is None else walltime

    @contextmanager
    def use_metadata(
        self, *, global_step: int | None = None, walltime: float | None = None
    ) -> Generator[SummaryWriter]:
        """Step and time for the calls inside that name none.

        Raises:
            ValueError: Neither is given, or the block stands inside another.
        """
        if (global_step, walltime) == (None, None) or self._default != (None, None):
            raise ValueError("use_metadata takes a global_step or a walltime, and does not nest")
        self._default = (global_step, time.time() if walltime is None else walltime)
        try:
            yield self
        finally:
            self._default = (None, None)


def silent() -> Any:
    """A `SummaryWriter` that writes nothing."""
    return SummaryWriter("unused", write_to_disk=False)
