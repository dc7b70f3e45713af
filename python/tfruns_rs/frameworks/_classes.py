"""Classes that are made when they are asked for: half ours, half a framework's."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from tfruns_rs.errors import MissingExtraError


def made(module: str, name: str, ours: type, framework: str, *places: tuple[str, str]) -> Any:
    """A class of ours that is the framework's as well, kept as an attribute of `module`.

    Args:
        module: The public module.
        name: The class's name.
        ours: What it does.
        framework: What has to be installed.
        places: Module and name of the framework's class; of several, one that is imported already wins.

    Raises:
        MissingExtraError: The framework is not installed.
    """
    there = sorted(places, key=lambda place: place[0] not in sys.modules)
    for place, theirs in there:
        try:
            base: type = getattr(import_module(place), theirs)
        except ModuleNotFoundError as error:
            if error.name is not None and not place.startswith(error.name):
                raise
            continue
        found = type(name, (ours, base), {"__module__": module, "__doc__": ours.__doc__})
        setattr(sys.modules[module], name, found)
        return found
    raise MissingExtraError(f"{module}.{name} needs {framework}: pip install {framework}")
