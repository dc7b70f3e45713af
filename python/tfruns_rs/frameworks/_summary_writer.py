"""`SummaryWriter`: the interface of `torch.utils.tensorboard`, on our writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfruns_rs.frameworks import _values
from tfruns_rs.frameworks._base_writer import NOT_TAKEN, BaseWriter, number_of, step_of
from tfruns_rs.frameworks._hparams import session

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    PathLike = str | os.PathLike[str]


class SummaryWriter(BaseWriter):
    """Writes what TensorBoard shows: a drop-in for `torch.utils.tensorboard.SummaryWriter`.

    Methods and arguments are torch's; what only tensorboardX's has is in `tfruns_rs.tensorboardx`. What
    TensorBoard reads is the same; what differs is that no call waits for a queue or a disk, that records are
    in their file after a second, and that nothing is lost at exit or in a fork.
    torch is needed for `add_graph` and `add_onnx_graph` alone.

    Args:
        log_dir: Where to write. By default, inside an active run its `logs`, elsewhere torch's
            `runs/<date>_<host><comment>`.
        comment: The end of the default directory's name; inside an active run a directory below `logs`.
        purge_step: TensorBoard hides events of this and later steps that were written before.
        max_queue: Taken for compatibility; nothing ever waits in a queue.
        flush_secs: Records are in their file after at most so many seconds. (Torch's default is 120.)
        filename_suffix: The end of the file's name.

    Raises:
        ValueError: `log_dir` is an address such as `s3://…`: write to a local directory and upload that.

    Examples:
        >>> from tfruns_rs.torch import SummaryWriter
        >>> with SummaryWriter(tmp_path) as writer:
        ...     for step in range(3):
        ...         writer.add_scalar("loss", 1 / (step + 1), step)
    """

    def __init__(
        self,
        log_dir: PathLike | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 1.0,
        filename_suffix: str = "",
    ) -> None:
        super().__init__(log_dir, comment, purge_step, max_queue, flush_secs, filename_suffix, writes=True)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Adds a number.

        Args:
            tag: Its name.
            scalar_value: A number, or an array or tensor that holds one.
            global_step: The step; 0 by default.
            walltime: Seconds since the epoch; now by default.
            new_style: As a tensor, as TensorFlow 2 writes it.
            double_precision: With `new_style`, as float64. (Else the float64 stands beside the float32.)
        """
        if new_style:
            fields = _values.scalar_tensor(number_of(scalar_value), double=double_precision)
            self._add([(".", tag, fields)], global_step, walltime)
            return
        step = global_step if type(global_step) is int else step_of(global_step)
        try:
            self._events.add_scalar(tag, scalar_value, step, wall_time=walltime)
        except NOT_TAKEN:
            self._add_number(tag, scalar_value, step, walltime)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Adds hyperparameters and the metrics to compare them by, as a session in a sub-run.

        Args:
            hparam_dict: Numbers, strings, bools by name; None is left out.
            metric_dict: Numbers by tag; they are written as well.
            hparam_domain_discrete: The values that a hyperparameter may take, by its name.
            run_name: The sub-run; the time by default.
            global_step: The step.

        Raises:
            TypeError: Something else than dicts.
            ValueError: A hyperparameter of another type.
        """
        run = self._session_run(hparam_dict, metric_dict, run_name)
        values = session(run, hparam_dict, metric_dict, hparam_domain_discrete or {})
        self._add_session(run, values, metric_dict, global_step, global_step)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: Sequence[str] | str | None = None,
    ) -> None:
        """Adds a picture with boxes (xmin, ymin, xmax, ymax) drawn on it; needs Pillow."""
        fields = _values.image_with_boxes(img_tensor, box_tensor, rescale, dataformats, labels)
        self._add([(".", self._tag(tag), fields)], global_step, walltime)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Any = None,
        fps: float = 4,
        walltime: float | None = None,
    ) -> None:
        """Adds videos of shape (N, T, C, H, W), side by side, as one GIF."""
        fields = _values.video(vid_tensor, fps, "NTCHW")
        self._add([(".", self._tag(tag), fields)], global_step, walltime)

    def add_onnx_graph(self, prototxt: PathLike) -> None:
        """Adds the graph of an ONNX file; needs torch and onnx."""
        self._add_onnx_graph(prototxt)
