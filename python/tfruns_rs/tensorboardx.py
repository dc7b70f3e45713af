"""A drop-in for `tensorboardX`: `from tfruns_rs.tensorboardx import SummaryWriter`."""

from tfruns_rs.frameworks._file_writer import FileWriter
from tfruns_rs.frameworks._tensorboardx import SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
