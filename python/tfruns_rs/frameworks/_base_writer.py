"""What the writers in torch's and in tensorboardX's clothes have in common."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self, cast

from tfruns_rs.errors import InvalidEventError, WriterClosedError
from tfruns_rs.frameworks import _values
from tfruns_rs.frameworks._file_writer import SESSION_LOG, SESSION_START, FileWriter, Nowhere

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    PathLike = str | os.PathLike[str]


NOT_TAKEN = (InvalidEventError, WriterClosedError, AttributeError)
"""What says that `BaseWriter._add_number` has to see to a number."""


class BaseWriter:
    """What both writers have in common.

    Args:
        log_dir: Where to write; None for the default.
        comment: The end of the default directory's name.
        purge_step: TensorBoard hides events of this and later steps that were written before.
        max_queue: Not used.
        flush_secs: Records are in their file after at most so many seconds.
        filename_suffix: The end of the file's name.
        writes: False writes nothing.

    Raises:
        ValueError: `log_dir` is an address such as `s3://…`: write to a local directory and upload that.
    """

    def __init__(
        self,
        log_dir: PathLike | None,
        comment: str,
        purge_step: int | None,
        max_queue: int,
        flush_secs: float,
        filename_suffix: str,
        *,
        writes: bool,
    ) -> None:
        self.log_dir: PathLike = log_dir or default_log_dir(comment)
        if "://" in str(self.log_dir):
            raise ValueError(
                f"log_dir {str(self.log_dir)!r} is an address; write to a local directory and upload that"
            )
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self._writes = writes
        self.file_writer: FileWriter | None = None
        self._events: Any = None
        self._get_file_writer()

    @property
    def logdir(self) -> PathLike:
        """TensorboardX's name of `log_dir`."""
        return self.log_dir

    @property
    def all_writers(self) -> dict[str, FileWriter] | None:
        """The writer by its directory; None when closed."""
        return None if self.file_writer is None else {str(self.log_dir): self.file_writer}

    @property
    def default_bins(self) -> list[float]:
        """The edges of the buckets of `add_histogram`."""
        return _values.default_bins().tolist()

    def _get_file_writer(self) -> FileWriter:
        """The writer of messages, reopened if it was closed. Frameworks call this."""
        if self.file_writer is None:
            if self._writes:
                writer = FileWriter(self.log_dir, self.max_queue, self.flush_secs, self.filename_suffix)
            else:
                writer = FileWriter.__new__(FileWriter)
                writer.events = Nowhere()
            self.file_writer, self._events = writer, writer.events
            if self.purge_step is not None:
                self._events._log_message(SESSION_LOG, SESSION_START, int(self.purge_step))
                self.purge_step = None
        return self.file_writer

    def _add(self, values: _values.Values, global_step: Any, walltime: float | None) -> None:
        self._get_file_writer()
        self._events.add_values(values, step_of(global_step), walltime)

    def _add_number(self, tag: str, value: Any, step: int, walltime: float | None) -> None:
        """Adds what `add_scalar` could not: to a writer that was closed, or an array of one element."""
        self._get_file_writer()
        self._events.add_scalar(tag, number_of(value), step, wall_time=walltime)

    def _session_run(self, hparams: Any, metrics: Any, name: str | None) -> str:
        """The sub-run of `add_hparams`."""
        if type(hparams) is not dict or type(metrics) is not dict:
            raise TypeError("hparam_dict and metric_dict must be dicts")
        return str(name or time.time())

    def _add_session(
        self, run: str, session: _values.Values, metrics: Mapping[str, Any], begin: Any, global_step: Any
    ) -> None:
        """Writes a session at step `begin`, and its metrics."""
        self._get_file_writer()
        self._events.add_values(session, step_of(begin))
        for tag, value in metrics.items():
            self._events.add_scalar(self._tag(tag), number_of(value), step_of(global_step), run=run)

    def _tag(self, tag: str) -> str:
        """A tag as it is written."""
        return tag

    def get_logdir(self) -> PathLike:
        """The directory, as it was given."""
        return self.log_dir

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds numbers that are drawn in one chart: the tag `main_tag` of one sub-run each.

        Args:
            main_tag: The tag.
            tag_scalar_dict: Numbers by the end of the sub-run's name.
            global_step: The step; 0 by default.
            walltime: Seconds since the epoch; now by default.
        """
        self._get_file_writer()
        walltime = time.time() if walltime is None else walltime
        step = step_of(global_step)
        for tag, value in tag_scalar_dict.items():
            run = self._sub_run(main_tag, tag)
            self._events.add_scalar(self._tag(main_tag), number_of(value), step, wall_time=walltime, run=run)

    def _sub_run(self, main_tag: str, tag: str) -> str:
        """The directory of one of the numbers of `add_scalars`."""
        return f"{main_tag.replace('/', '_')}_{tag}"

    def add_tensor(
        self, tag: str, tensor: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds a tensor of any shape."""
        self._add([(".", tag, _values.tensor(tensor))], global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Adds a histogram.

        Args:
            tag: Its name.
            values: An array or tensor of any shape.
            global_step: The step; 0 by default.
            bins: "tensorflow" for buckets that grow by 1.1; or what `numpy.histogram` takes.
            walltime: Seconds since the epoch; now by default.
            max_bins: Neighbouring buckets are merged where there are more.

        Raises:
            InvalidEventError: No values, or some that are not finite.
        """
        self._add([(".", self._tag(tag), _values.histogram(values, bins, max_bins))], global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: float,
        sum: float,
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a histogram that was counted elsewhere: the upper edge and the count of each bucket."""
        fields = _values.histogram_raw((min, max, num, sum, sum_squares), bucket_limits, bucket_counts)
        self._add([(".", tag, fields)], global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Adds a picture: uint8, or from 0 to 1; `dataformats` names its axes."""
        self._add([(".", self._tag(tag), _values.image(img_tensor, dataformats))], global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Adds pictures as one grid, eight side by side; a list of pictures of one size as well."""
        if isinstance(img_tensor, list):
            import numpy as np

            from tfruns_rs.frameworks._arrays import numbers

            images = cast("list[Any]", img_tensor)
            img_tensor = np.stack([numbers(image, "img_tensor") for image in images])
            dataformats = dataformats if "N" in dataformats.upper() else f"N{dataformats}"
        self.add_image(tag, img_tensor, global_step, walltime, dataformats)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Adds a matplotlib figure, or a list of them, and closes it."""
        pixels = _values.figure_pixels(figure, close=close)
        self.add_image(tag, pixels, global_step, walltime, "NCHW" if isinstance(figure, list) else "CHW")

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: Any = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Adds a sound: samples from -1 to 1; what is outside is clipped."""
        self._add([(".", tag, self._audio(snd_tensor, sample_rate))], global_step, walltime)

    def _audio(self, snd_tensor: Any, sample_rate: int) -> bytes:
        return _values.audio(snd_tensor, sample_rate, channels_last=False)

    def add_text(
        self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds a text, which TensorBoard shows as Markdown."""
        self._add([(".", f"{tag}/text_summary", _values.text(text_string))], global_step, walltime)

    def _add_onnx_graph(self, path: PathLike) -> None:
        from tfruns_rs.frameworks._graphs import onnx_graph

        self._get_file_writer().add_onnx_graph(onnx_graph(path))

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Adds the graph of a torch module, which torch traces."""
        from tfruns_rs.frameworks._graphs import torch_graph

        graph = torch_graph(model, input_to_model, verbose=verbose, use_strict_trace=use_strict_trace)
        self._get_file_writer().add_graph(graph)

    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: Any = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
    ) -> None:
        """Adds vectors for the projector: files beside the event file.

        Args:
            mat: Vectors, of shape (N, D).
            metadata: A label, or a row of them, for each.
            label_img: A picture for each, of shape (N, C, H, W) with H equal to W.
            global_step: The step; 0 by default.
            tag: The embedding's name.
            metadata_header: The titles of the columns of `metadata`.
        """
        from tfruns_rs.frameworks._embedding import write_embedding

        self._get_file_writer()
        if self._writes:
            step = step_of(global_step)
            write_embedding(str(self.log_dir), mat, metadata, label_img, step, tag, metadata_header)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a precision-recall curve: what is true (0 or 1), and what is predicted (0 to 1)."""
        fields = _values.pr_curve(labels, predictions, num_thresholds, weights)
        self._add([(".", tag, fields)], global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a precision-recall curve that was counted elsewhere."""
        del weights  # torch takes it, and does not use it either
        positive = (true_positive_counts, false_positive_counts)
        negative = (true_negative_counts, false_negative_counts)
        fields = _values.pr_curve_raw((*positive, *negative, precision, recall), num_thresholds)
        self._add([(".", tag, fields)], global_step, walltime)

    def add_custom_scalars_multilinechart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Adds a chart with a line for each tag."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Adds a chart with a line between two bounds: the tags of value, lower and upper bound."""
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        """Adds charts: category -> chart -> ["Multiline" or "Margin", tags]."""
        self._add([(".", "custom_scalars__config__", _values.custom_scalars(layout))], None, None)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Any = None,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a mesh or a point cloud: arrays of shape (batch, number, 3)."""
        arrays = {"vertices": vertices, "faces": faces, "colors": colors}
        self._add(self._mesh(tag, arrays, config_dict), global_step, walltime)

    def _mesh(self, tag: str, arrays: dict[str, Any], config: Any) -> _values.Values:
        return _values.mesh(tag, arrays, config, numbered=False)

    def flush(self) -> None:
        """Returns when everything added so far is in its file.

        Raises:
            OSError: Something could not be written. It is kept and tried again.
        """
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        """Flushes and closes. What is added later goes to a new file."""
        events, self._events, self.file_writer = self._events, None, None
        if events is not None:
            events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def default_log_dir(comment: str) -> str:
    """Where a writer without a directory writes: the active run, else torch's choice."""
    from tfruns_rs.tfevents._logdir import get_default_logdir
    from tfruns_rs.tfruns import _active

    if _active.current() is not None:
        logs, below = get_default_logdir(), comment.strip("/_-. ")
        return f"{logs}/{below}" if below else logs
    import socket

    started = time.strftime("%b%d_%H-%M-%S")
    return f"runs/{started}_{socket.gethostname()}{comment}"


def step_of(global_step: Any) -> int:
    """The step; 0 where none is given."""
    return 0 if global_step is None else int(global_step)


def number_of(value: Any) -> Any:
    """One number out of whatever holds exactly one: a list, an array of any rank, a tensor."""
    if isinstance(value, int | float):
        return value
    from tfruns_rs.frameworks._arrays import numbers

    array = numbers(value, "scalar_value")
    if array.size != 1:
        raise InvalidEventError(f"`scalar_value` must hold one number; it is of shape {array.shape}.")
    return array.reshape(()).item()
