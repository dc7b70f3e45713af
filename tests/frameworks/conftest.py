"""Frameworks that share a small machine, and find their backend."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # they spin while others work
