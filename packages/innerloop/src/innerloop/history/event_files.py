"""Scalars in TensorBoard's event files.

A file is a sequence of records, each a length with its checksum and a protocol buffer `Event` with its
checksum. Only the few fields that scalars have are read; images and histograms are skipped.

Source: TensorFlow, `tensorflow/core/lib/io/record_writer.h`, `tensorflow/core/util/event.proto`,
`tensorflow/core/framework/summary.proto` and `tensor.proto`; the encoding of protocol buffers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from ..util.errors import UserError
from ..util.json_records import unicode_text
from . import growing_files, metric_values, run_metrics
from .run_metrics import RunMetrics, Series

NAME = ".tfevents."
# A record with a scalar is some dozen bytes; a longer one is an image, a graph or a histogram.
LONGEST = 65_536
# A file with more scalars is not read: that would take a minute.
MOST = 500_000

_HEADER = struct.Struct("<QI")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Types of a tensor, with the field that has its values and their format.
_FLOAT, _DOUBLE = 1, 2
# (step, value, time in seconds since the epoch)
Point = tuple[float, float, float]


def is_event_file(name: str) -> bool:
    return NAME in name and not name.endswith((".profile-empty", ".tmp"))


def read(folder: Path, names: Sequence[str]) -> RunMetrics:
    """The scalars of event files, named relative to the folder with "/".

    A tag that files of several folders have gets the folder's name in front, from where these differ,
    as TensorBoard names its runs.
    """
    tags: dict[str, dict[str, list[Point]]] = {}
    sources: dict[tuple[str, str], str] = {}
    problems = []
    for name in sorted(names, key=lambda name: (name.rpartition("/")[0], _order(name))):
        place = name.rpartition("/")[0]
        try:
            found = _read(folder / name)
        except OSError:  # it is gone
            continue
        except UserError as error:
            problems.append(f"{name}: {error.what}")
            continue
        for tag, points in found.items():
            tags.setdefault(tag, {}).setdefault(place, []).extend(points)
            sources.setdefault((tag, place), name)
    series = {}
    for tag, places in tags.items():
        for place, points in places.items():
            label = _label(place, list(places))
            steps, values, times = zip(*points, strict=True)
            key = f"{label}/{tag}" if label else tag
            series[key] = Series(values, steps, (), times, sources[tag, place])
    return run_metrics.of_series(series, tuple(problems))


def _order(name: str) -> tuple[str, str]:
    """Files of one folder in the order of their start, which is in their names."""
    file = name.rpartition("/")[2]
    return file.partition(NAME)[2].partition(".")[0].zfill(20), file


def _label(place: str, places: Sequence[str]) -> str:
    """What tells a folder from the others: its path without the parts that all have in common."""
    if len(places) == 1:
        return ""
    parts = [PurePosixPath(other).parts for other in places]
    common = 0
    while len({other[: common + 1] for other in parts}) == 1:
        common += 1
    return "/".join(PurePosixPath(place).parts[common:])


def _read(path: Path) -> Mapping[str, Sequence[Point]]:
    """The points of a file by their tag, read on from where the last look ended."""
    return growing_files.read(path, lambda: _Events(path))


class _Events:
    """The scalars of the records that are whole, up to the first that is not as it should be."""

    def __init__(self, path: Path) -> None:
        self.weight = 0
        self._path = path
        self._points: dict[str, list[Point]] = {}
        self._number = 0

    def read_on(self, file: IO[bytes], size: int) -> int:
        end = file.tell()
        while end + 16 <= size and self._number <= MOST:
            header = file.read(12)
            if len(header) < 12:
                return end
            length, checksum = _HEADER.unpack(header)
            if end + 16 + length > size or _masked(header[:8]) != checksum:
                return end
            if length > LONGEST:
                file.seek(length + 4, 1)
            else:
                content = file.read(length + 4)
                if len(content) < length + 4:
                    return end
                self._add(content[:length])
            end += 16 + length
        return end

    def _add(self, record: bytes) -> None:
        for tag, point in _scalars(record):
            self._points.setdefault(tag, []).append(point)
            self._number += 1
            self.weight += len(record)

    def found(self) -> Mapping[str, Sequence[Point]]:
        """The points by tag."""
        if self._number > MOST:
            raise UserError(
                f"the file has more than {MOST:,} scalars", code="file-too-large",
                where=str(self._path),
            )  # fmt: skip
        return {tag: tuple(points) for tag, points in self._points.items()}


def _scalars(event: bytes) -> Iterator[tuple[str, Point]]:
    """The scalars of one event. One that is not as it should be has none."""
    time, step = math.nan, 0.0
    summaries = []
    try:
        for number, kind, value in _fields(event):
            if (number, kind) == (1, _FIXED64):
                (time,) = struct.unpack("<d", value)
            elif (number, kind) == (2, _VARINT):
                step = float(_signed(value))
            elif (number, kind) == (5, _BYTES):
                summaries.append(value)
        for summary in summaries:
            for number, kind, value in _fields(summary):
                if (number, kind) == (1, _BYTES):
                    tag, scalar = _value(value)
                    if tag and scalar is not None:
                        yield tag, (step, scalar, time)
    except (ValueError, struct.error):
        return


def _value(message: bytes) -> tuple[str, float | None]:
    tag, scalar = "", None
    for number, kind, value in _fields(message):
        if (number, kind) == (1, _BYTES):
            tag = unicode_text(value.decode("utf-8", "replace"))
        elif (number, kind) == (2, _FIXED32):
            (scalar,) = struct.unpack("<f", value)
        elif (number, kind) == (8, _BYTES):
            scalar = _tensor(value)
    return tag, None if scalar is None else metric_values.value_of(scalar)


def _tensor(message: bytes) -> float | None:
    """The number in a tensor that has one; None for any other tensor."""
    type_, content = 0, b""
    for number, kind, value in _fields(message):
        if (number, kind) == (1, _VARINT):
            type_ = int(value)
        elif (number in (4, 5, 6)) and kind != _VARINT:
            content += value
    form = {_FLOAT: "<f", _DOUBLE: "<d"}.get(type_)
    if form is None or len(content) != struct.calcsize(form):
        return None
    (scalar,) = struct.unpack(form, content)
    return float(scalar)


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The fields of a message: number, kind, and the value's bytes (a varint in decimal digits).

    ValueError if the message is not whole.
    """
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            integer, at = _varint(message, at)
            yield number, kind, b"%d" % integer
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("a kind of field that no event has")
        if at + length > end:
            raise ValueError("a field is cut short")
        yield number, kind, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("an integer is cut short")


def _signed(digits: bytes) -> int:
    value = int(digits)
    return value - (1 << 64) if value >= 1 << 63 else value


def _checksums() -> tuple[int, ...]:
    """The table of CRC-32C (Castagnoli), reflected."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_TABLE = _checksums()


def _masked(content: bytes) -> int:
    """The checksum of a record's length, masked as TFRecord does."""
    checksum = 0xFFFFFFFF
    for byte in content:
        checksum = _TABLE[(checksum ^ byte) & 0xFF] ^ checksum >> 8
    checksum ^= 0xFFFFFFFF
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
