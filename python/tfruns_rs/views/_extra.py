"""The extra `[view]`: what draws the pages, imported only when a page is made.

A training script that only logs never pays for these packages, and a missing one is a single clear line.
"""

from __future__ import annotations

import importlib
from typing import Any

from tfruns_rs.errors import MissingExtraError


def require(module: str) -> Any:
    """Imports a module of the extra `[view]`.

    Args:
        module: The module's name, such as "altair".

    Returns:
        The module.

    Raises:
        MissingExtraError: The extra is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        message = f"viewing runs needs {package}: pip install 'tfruns-rs[view]'"
        raise MissingExtraError(message) from error
