"""The border: the compiled part of tfruns_rs, typed. `stubtest` checks this file against the binary."""

__version__: str
