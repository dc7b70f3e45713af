"""A drop-in for `torch.utils.tensorboard`: `from tfruns_rs.torch import SummaryWriter`."""

from tfruns_rs.frameworks._file_writer import FileWriter
from tfruns_rs.frameworks._summary_writer import SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
