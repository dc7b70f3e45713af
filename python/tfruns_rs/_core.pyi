"""The border: the compiled part of tfruns_rs, typed. `stubtest` checks this file against the binary."""

from typing_extensions import Buffer

__all__ = ["__version__", "encode_metadata", "encode_scalar", "encode_strings", "encode_tensor"]

__version__: str

def encode_metadata(plugin_name: str, content: bytes, display_name: str, description: str) -> bytes: ...
def encode_scalar(value: float, exact: bool, metadata: bytes) -> bytes: ...
def encode_strings(
    elements: list[bytes], shape: list[int], dim_names: list[str] | None, metadata: bytes
) -> bytes: ...
def encode_tensor(
    data: Buffer, dtype: str, shape: list[int], dim_names: list[str] | None, metadata: bytes
) -> bytes: ...
