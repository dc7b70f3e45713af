"""Where flags get their values: a YAML file with configurations, and the command line.

YAML 1.1 as R reads it, in one point stricter and in one laxer: names and values stay the text they are in
the file, and are converted by the type of their flag. So a flag may be called `n`, and a text flag may be
`yes`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs.errors import FlagsError
from tfruns_rs.tfruns._flag import NULL, Quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tfruns_rs.tfruns._flag import Flag

_MAX_FILE_BYTES = 1 << 20
_MAX_DEPTH = 32
_LAUNCHERS = {"local_rank", "local_world_size"}


def from_file(path: str | os.PathLike[str], config: str) -> dict[str, Any]:
    """The values of a YAML file: those at its top, or those of the configuration `config` over `default`.

    Raises:
        FlagsError: It is no YAML, or a configuration inherits from itself.
    """
    values = _parse(path)
    if not any(isinstance(value, dict) for value in values.values()):
        return values
    sections: dict[str, Any] = {name: {} if _is_nothing(value) else value for name, value in values.items()}
    if not all(isinstance(section, dict) for section in sections.values()):
        return values
    merged = dict(_section(sections, "default", ()))
    if config != "default":
        merged.update(_section(sections, config, ()))
    return merged


def _is_nothing(value: Any) -> bool:
    """Whether a section holds nothing: what stands behind a bare `name:`."""
    return isinstance(value, str) and not isinstance(value, Quoted) and value.lower() in NULL


def _parse(path: str | os.PathLike[str]) -> dict[str, Any]:
    import yaml

    with open(path, "rb") as file:  # noqa: PTH123 - as cheap as it gets
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise FlagsError(f"{os.fspath(path)} is too big for a file of flags")
    try:
        document = yaml.load(content, _loader())  # noqa: S506 - derived from SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise FlagsError(f"{os.fspath(path)} is no YAML: {error}") from None
    if document is None or document == "":
        return {}
    if not isinstance(document, dict):
        raise FlagsError(f"{os.fspath(path)} is no mapping of flags to values")
    return {str(name): value for name, value in cast("dict[Any, Any]", document).items()}


def _loader() -> Any:
    import yaml

    merge = "tag:yaml.org,2002:merge"

    class Loader(yaml.SafeLoader):
        """Every scalar stays text; merge keys work; a tag says nothing; a key stands once."""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.depth > _MAX_DEPTH:
                raise yaml.YAMLError("nested too deep")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            keys = [key.value for key, _ in node.value if isinstance(key.value, str) and key.tag != merge]
            for key in keys:
                if keys.count(key) > 1:
                    raise yaml.YAMLError(f"{key!r} stands twice")
            return node

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag == merge]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_constructor("tag:yaml.org,2002:str", _text)
    cast("Any", Loader).add_multi_constructor("", _tagged)
    return Loader


def _text(_: Any, node: Any) -> str:
    return Quoted(node.value) if node.style in {"'", '"', "|", ">"} else node.value


def _tagged(loader: Any, _: str, node: Any) -> Any:
    if isinstance(node.value, str):
        return node.value
    return loader.construct_sequence(node) if node.id == "sequence" else loader.construct_mapping(node)


def _section(sections: Mapping[str, dict[str, Any]], name: str, through: tuple[str, ...]) -> dict[str, Any]:
    if name in through:
        raise FlagsError(f"Configuration '{name}' inherits from itself!")
    section = dict(sections.get(name, {}))
    inherited = section.pop("inherits", None)
    parents = [inherited] if isinstance(inherited, str) else cast("Sequence[str]", inherited or ())
    merged: dict[str, Any] = {}
    for parent in parents:
        if parent not in sections:
            raise FlagsError(f"configuration '{name}' inherits from '{parent}', which is not there")
        merged.update(_section(sections, parent, (*through, name)))
    return {**merged, **section}


def default_arguments() -> list[str]:
    """The command line of a script; nothing in a notebook or under pytest, whose arguments are not ours."""
    if "ipykernel" in sys.modules or "_pytest" in sys.modules:
        return []
    return sys.argv[1:]


def from_arguments(arguments: Sequence[str], flags: Mapping[str, Flag]) -> dict[str, str]:
    """The values of `--key=value` and `--key value`, up to `--args`.

    A bare `--key` of a boolean flag is true, and `--no-key` false. Other words are left to others, and so are
    launchers' options.

    Raises:
        FlagsError: A flag has no value.
    """
    values: dict[str, str] = {}
    words = list(arguments)
    while words and (word := words.pop(0)) != "--args":
        if not word.startswith("--"):
            continue
        key, equals, value = word[2:].partition("=")
        name = key.replace("-", "_")
        flag = flags.get(name)
        negated = flags.get(name.removeprefix("no_")) if flag is None and not equals else None
        if negated is not None and negated.type == "boolean":
            values[name.removeprefix("no_")] = "false"
            continue
        if not equals:
            value = _following(key, flag, words, flags)
        if flag is not None or name not in _LAUNCHERS:
            values[name] = value
    return values


def _following(key: str, flag: Flag | None, words: list[str], flags: Mapping[str, Flag]) -> str:
    follows = words[0] if words else None
    if flag is not None and flag.type == "boolean" and (follows is None or not _is_truth(follows)):
        return "true"
    if follows is None or (follows.startswith("--") and (flag is None or _is_option(follows, flags))):
        if flag is not None:
            hint = "" if follows is None else f"; --{key}={follows} would give it that text"
            raise FlagsError(f"the flag --{key} has no value{hint}")
        return ""
    return words.pop(0)


def _is_option(word: str, flags: Mapping[str, Flag]) -> bool:
    name = word[2:].partition("=")[0].replace("-", "_")
    return word == "--args" or name in flags or name.removeprefix("no_") in flags


def _is_truth(word: str) -> bool:
    return word.lower() in {"true", "t", "yes", "y", "on", "1", "false", "f", "no", "n", "off", "0"}
