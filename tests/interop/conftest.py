"""TensorBoard runs here without TensorFlow, installed or not: its own stub reads and writes the files."""

import sys
import types

# TensorBoard takes its stub when this module exists.
sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
