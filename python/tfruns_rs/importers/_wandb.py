"""Weights & Biases, offline: `wandb/offline-run-<time>-<id>/run-<id>.wandb`.

The file is a log in LevelDB's format with another checksum: 7 bytes `:W&B`, magic 0xBEE1, version 0; then
blocks of 32 KiB, in which each piece of a record stands behind 7 bytes of its own.

| bytes | content |
|---|---|
| 4 | CRC-32 (zip's) of the type's byte and the piece |
| 2 | the piece's length |
| 1 | 1 a whole record, 2 its first piece, 3 one in the middle, 4 its last |

A record is the message `Record` of `wandb_internal.proto`, walked here without its schema. Of it we take what
was logged (`history`), the last values (`summary`), the configuration, the console, and how the run began and
ended. Media, tables and artifacts are references into `files/`; system metrics are left out.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs.importers._foreign import ForeignRun, UnreadableRunError, files_below, mapping, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOL = "wandb"
_HEADER = b":W&B\xe1\xbe\x00"
_BLOCK = 32768
_PIECE = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_RUN = 17


def is_file(name: str) -> bool:
    """Whether a file of this name is a run of this tool."""
    return name.startswith("run-") and name.endswith(".wandb")


def read(path: str) -> ForeignRun:
    """The run in a file.

    Raises:
        UnreadableRunError: It is no such file, or holds no run.
    """
    name = os.path.basename(path)  # noqa: PTH119
    run = ForeignRun(TOOL, path, name.removeprefix("run-").removesuffix(".wandb"))
    state = _State()
    has_run = False
    for record in _records(path, run.problems):
        for number, content in _fields(record):
            if isinstance(content, bytes):
                has_run |= number == _RUN
                _take(run, state, number, content)
    if not has_run:
        raise UnreadableRunError("; ".join(run.problems) or "the file holds no run")
    run.hparams = {key: value for key, value in state.config.items() if not key.startswith("_")}
    logged = {tag for tag, *_ in run.points}
    flat = ((".".join(keys), value) for keys, value in _leaves(state.summary))
    run.evaluation = {
        tag: value
        for tag, value in flat
        if tag not in logged and not tag.startswith("_") and isinstance(value, str | int | float)
    }
    run.output = "".join(state.output)
    if state.left_out:
        kinds = ", ".join(f"{kind} ({n})" for kind, n in sorted(state.left_out.items()))
        run.problems.append(f"values that are no numbers are left out: {kinds}")
    run.files = list(files_below(f"{os.path.dirname(path)}/files", "artifacts"))  # noqa: PTH120
    return run


def _take(run: ForeignRun, state: _State, number: int, content: bytes) -> None:
    match number:
        case 2:
            _take_history(run, state, content)
        case 3:
            _update(state.summary, content)
        case 5:
            _update(state.config, content)
        case 4 | 13:
            state.output.append(_text(content, 3))
        case 17:
            _take_run(run, state, content)
        case 18:
            _take_exit(run, content)
        case _:
            pass


class _State:
    """What is known so far of a run whose records are read."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.output: list[str] = []
        self.left_out: Counter[str] = Counter()
        self.next_step = 0


def _take_history(run: ForeignRun, state: _State, content: bytes) -> None:
    values: dict[str, Any] = {}
    step = None
    for number, item in _fields(content):
        if number == 1 and isinstance(item, bytes):
            keys, value = _item(item)
            if keys:
                values[".".join(keys)] = value
        elif number == 2 and isinstance(item, bytes):  # noqa: PLR2004 - HistoryStep
            step = next((n for field, n in _fields(item) if field == 1 and isinstance(n, int)), 0)
    told = values.get("_step", step)
    at = told if isinstance(told, int) else state.next_step
    state.next_step = at + 1
    time = number_of(values.get("_timestamp"))
    for tag, value in values.items():
        if tag.startswith("_"):
            continue
        for keys, leaf in _leaves(value):
            if not run.add(".".join((tag, *keys)), at, time, leaf):
                state.left_out[_kind(leaf)] += 1
    if run.end is None or (time or 0) > run.end:
        run.end = time


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return str(cast("dict[str, Any]", value).get("_type", "mapping"))
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "null"


def _take_run(run: ForeignRun, state: _State, content: bytes) -> None:
    run.id = _text(content, 1) or run.id
    run.name = _text(content, 8) or run.name
    run.description = _text(content, 9) or run.description
    for number, name in ((3, "project"), (6, "group"), (7, "job_type"), (12, "sweep")):
        if text := _text(content, number):
            run.properties[name] = text
    for number, value in _fields(content):
        match number, value:
            case 4, bytes():
                _update(state.config, value)
            case 10, bytes():
                label = value.decode("utf-8", "replace")
                run.labels += [label] if label not in run.labels else []
            case 17, bytes():
                parts = {field: n for field, n in _fields(value) if isinstance(n, int)}
                run.start = parts.get(1, 0) + parts.get(2, 0) / 1e9
            case 21, bytes():
                run.environment["git"] = {"commit": _text(value, 2)}
            case _:
                pass


def _take_exit(run: ForeignRun, content: bytes) -> None:
    numbers = {field: n for field, n in _fields(content) if isinstance(n, int)}
    code = numbers.get(1, 0)
    code -= 2**64 if code >= 2**63 else 0
    run.status = "completed" if code == 0 else "failed"
    run.error = None if code == 0 else (f"exit code {code}", "")
    run.properties["exit_code"] = code
    if run.start is not None:
        run.end = max(run.end or 0.0, run.start + numbers.get(2, 0))


def _update(target: dict[str, Any], content: bytes) -> None:
    """Applies the items of a `ConfigRecord` or `SummaryRecord`: 1 sets, 2 removes."""
    for number, item in _fields(content):
        if number not in (1, 2) or not isinstance(item, bytes):
            continue
        keys, value = _item(item)
        if not keys:
            continue
        inner = target
        for key in keys[:-1]:
            below: Any = inner.get(key)
            if not isinstance(below, dict):
                below = inner[key] = {}
            inner = cast("dict[str, Any]", below)
        if number == 1:
            inner[keys[-1]] = value
        else:
            inner.pop(keys[-1], None)


def _item(content: bytes) -> tuple[tuple[str, ...], Any]:
    """The path and the value of an item of history, summary or configuration."""
    key: list[str] = []
    nested: list[str] = []
    value: Any = None
    for number, field in _fields(content):
        match number, field:
            case 1, bytes():
                key = [field.decode("utf-8", "replace")]
            case 2, bytes():
                nested.append(field.decode("utf-8", "replace"))
            case 4, int():
                value = bool(field)
            case 5, int():
                value = (field >> 1) ^ -(field & 1)  # sint64
            case 6, float():
                value = field
            case 7, bytes():
                value = field.decode("utf-8", "replace")
            case ((8 | 16), bytes()):
                value = _json(field)
            case _:
                pass
    return tuple(nested or key), value


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.decode("utf-8", "replace")


def _leaves(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and "_type" not in value and len(keys) < 50:  # noqa: PLR2004 - no tool nests so
        for key, item in mapping(cast("dict[str, Any]", value)).items():
            yield from _leaves(item, (*keys, key))
    else:
        yield keys, value


def _text(message: bytes, number: int) -> str:
    found = [value for field, value in _fields(message) if field == number and isinstance(value, bytes)]
    return found[-1].decode("utf-8", "replace") if found else ""


def _records(path: str, problems: list[str]) -> Iterator[bytes]:
    """The records of a log. A damaged block is left out; what is cut at the end has not been written yet."""
    with open(path, "rb") as file:  # noqa: PTH123
        head = file.read(len(_HEADER))
        if head != _HEADER:
            raise UnreadableRunError("it does not begin as a log of W&B does")
        record: list[bytes] | None = None
        block = head + file.read(_BLOCK - len(head))
        at, start = len(head), 0
        while block:
            while at + _PIECE.size <= len(block):
                crc, length, kind = _PIECE.unpack_from(block, at)
                piece = block[at + _PIECE.size : at + _PIECE.size + length]
                if kind == 0 and length == 0:
                    break  # the rest of a block is filled with zeros
                if len(piece) < length and len(block) < _BLOCK:
                    break  # the end of a file that is being written
                if len(piece) < length or crc != zlib.crc32(piece, zlib.crc32(bytes([kind]))):
                    problems.append(f"damaged at byte {start + at}; the rest of its block is left out")
                    record = None
                    break
                at += _PIECE.size + length
                if kind in (_WHOLE, _FIRST):
                    record = [piece]
                elif record is not None:
                    record.append(piece)
                if kind in (_WHOLE, _LAST) and record is not None:
                    yield b"".join(record)
                    record = None
            start += len(block)
            block, at = file.read(_BLOCK), 0


def _fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a protobuf message; of a broken one those before the damage."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
        elif wire == 1 and at + 8 <= len(message):
            yield number, struct.unpack_from("<d", message, at)[0]
            at += 8
        elif wire == 2:  # noqa: PLR2004 - length-delimited
            length, at = _varint(message, at)
            if at + length > len(message):
                return
            yield number, message[at : at + length]
            at += length
        elif wire == 5 and at + 4 <= len(message):  # noqa: PLR2004 - four bytes
            at += 4
        else:
            return


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:  # noqa: PLR2004 - bits
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte
            return value, at
        shift += 7
    return value, len(message)
