"""Graphs of models, which only their own framework can trace."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_TORCH = "torch.utils.tensorboard"


def torch_graph(model: Any, inputs: Any, *, verbose: bool, use_strict_trace: bool) -> tuple[Any, Any]:
    """The graph of a torch module and the statistics of a step, as messages.

    Raises:
        ImportError: There is no torch, or no tensorboard, whose messages torch makes.
    """
    try:
        tracer = import_module(f"{_TORCH}._pytorch_graph")
    except ImportError as error:
        raise ImportError(f"add_graph needs torch and tensorboard: {error}") from error
    return tracer.graph(model, inputs, verbose, use_strict_trace=use_strict_trace)


def onnx_graph(path: Any) -> Any:
    """The graph of an ONNX file, as a message.

    Raises:
        ImportError: Neither torch nor tensorboardX is there, or no onnx.
    """
    try:
        reader = import_module(f"{_TORCH}._onnx_graph")
    except ImportError:
        try:
            reader = import_module("tensorboardX.onnx_graph")
        except ImportError:
            raise ImportError("add_onnx_graph needs onnx, and torch or tensorboardX") from None
    return reader.load_onnx_graph(path)


def openvino_graph(path: Any) -> Any:
    """The graph of an OpenVINO file, as a message.

    Raises:
        ImportError: There is no tensorboardX, which reads the file.
    """
    try:
        reader = import_module("tensorboardX.openvino_graph")
    except ImportError:
        raise ImportError("add_openvino_graph needs tensorboardX to read the file") from None
    return reader.load_openvino_graph(path)
