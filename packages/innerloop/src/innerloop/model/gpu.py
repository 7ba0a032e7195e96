"""Which GPUs a run is to have, and which it gets. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from ..util.late_patterns import late_pattern
from ..util.position import Position
from ..util.quick_dataclasses import dataclass

Kind = Literal["auto", "all", "none", "count", "devices"]

# More GPUs than any machine has.
MOST = 64
# An index, a UUID ("GPU-3a2b..."), a MIG device ("MIG-...", "0:1").
_DEVICE = late_pattern(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}", re.ASCII)
WORDS = 'Write "auto", "all", "none", a number of GPUs, or a list of devices such as [0, 2]'
OPTION_WORDS = (
    "Write auto, all, none, a number of GPUs, or devices: 0,2, or device=0 for a single one"
)


@dataclass(frozen=True, slots=True)
class GpuSetting:
    """The GPUs that a run is to have.

    "auto" takes all of them if there are any, and the CPU otherwise; "all", a `count` and a list of
    `devices` require them. A device is an index as nvidia-smi counts, or the name of one. `is_option`
    says that the command line asked for it, not a setting; `where` is the setting's position.
    """

    kind: Kind = "auto"
    count: int = 0
    devices: tuple[str, ...] = ()
    is_option: bool = False
    where: Position | None = field(default=None, compare=False)

    @property
    def is_required(self) -> bool:
        """Whether a run without them cannot start."""
        return self.kind not in ("auto", "none")

    @property
    def text(self) -> str:
        """As `--gpus` takes it."""
        if self.kind == "count":
            return str(self.count)
        if self.kind == "devices":
            return ",".join(self.devices) if len(self.devices) > 1 else f"device={self.devices[0]}"
        return self.kind

    @property
    def shown(self) -> str:
        """For messages, as a person wrote it: `gpu = [0, 2]` or `--gpus 0,2`."""
        if self.is_option:
            return f"--gpus {self.text}"
        if self.kind == "devices":
            names = ", ".join(n if n.isdecimal() else f'"{n}"' for n in self.devices)
            return f"gpu = [{names}]"
        return f"gpu = {self.count}" if self.kind == "count" else f'gpu = "{self.kind}"'

    @property
    def docker_value(self) -> str:
        """The value of `docker run --gpus`, which is a line of CSV: a list needs its own quotes."""
        if self.kind == "devices":
            names = f"device={','.join(self.devices)}"
            return f'"{names}"' if len(self.devices) > 1 else names
        return str(self.count) if self.kind == "count" else "all"


AUTO = GpuSetting()
ALL = GpuSetting("all")
NONE = GpuSetting("none")


def parse_setting(value: Any, where: Position | None = None) -> GpuSetting:
    """The value of the setting `gpu`. ValueError says what is wrong with it, as a clause."""
    if isinstance(value, str):
        return _parse_text(value, is_option=False, where=where)
    if isinstance(value, int) and not isinstance(value, bool):
        return _count(value, is_option=False, where=where)
    if isinstance(value, list):
        devices = [_device(item) for item in value]
        return _devices(devices, is_option=False, where=where)
    raise ValueError(f"gpu = {value!r} is not one of its words, a number or a list")


def parse_option(text: str) -> GpuSetting:
    """The value of `--gpus`. ValueError says what is wrong with it, as a clause."""
    return _parse_text(text, is_option=True)


def parse_docker(text: str) -> GpuSetting:
    """The value of Docker's own `--gpus`: "all", "2", "device=0", '"device=0,2"'.

    One that says more (capabilities, a driver) requires all of them.
    """
    plain = text.strip().strip('"')
    try:
        found = _parse_text(plain, is_option=False)
    except ValueError:
        return ALL
    return ALL if found.kind in ("auto", "none") else found


def _parse_text(text: str, *, is_option: bool, where: Position | None = None) -> GpuSetting:
    word = text.strip()
    if word in ("auto", "all", "none"):
        return GpuSetting(word, is_option=is_option, where=where)  # type: ignore[arg-type]
    if word.isascii() and word.isdecimal():
        return _count(int(word[:9]), is_option=is_option, where=where)
    names = word.removeprefix("device=")
    if names == word and "," not in word and not _is_name(word):
        what = f"--gpus {text}" if is_option else f"gpu = {text!r}"
        raise ValueError(f"{what} names no GPUs")
    devices = [name.strip() for name in names.split(",") if name.strip()]
    return _devices(devices, is_option=is_option, where=where)


def _is_name(word: str) -> bool:
    """Whether a word alone can only be a device: not a mistyped "all"."""
    return word.startswith(("GPU-", "MIG-")) or re.fullmatch(r"\d+:\d+", word) is not None


def _count(number: int, *, is_option: bool, where: Position | None) -> GpuSetting:
    if number == 0:
        first = "device=0" if is_option else "[0]"
        raise ValueError(f"0 is no number of GPUs: {first} is the first one, none is none")
    if not 0 < number <= MOST:
        raise ValueError(f"{number} is no number of GPUs")
    return GpuSetting("count", number, is_option=is_option, where=where)


def _device(item: Any) -> str:
    if isinstance(item, bool) or not isinstance(item, (int, str)):
        raise ValueError(f"{item!r} is no GPU")
    return str(item)


def _devices(names: list[str], *, is_option: bool, where: Position | None) -> GpuSetting:
    if not names:
        raise ValueError("the list of GPUs is empty")
    for name in names:
        if not _DEVICE.fullmatch(name):
            raise ValueError(f"{name!r} is no GPU: its number or name is expected")
    plain = tuple(str(int(name)) if name.isdecimal() else name for name in names)
    if len(set(plain)) < len(plain):
        raise ValueError(f"the list of GPUs names {max(plain, key=plain.count)} twice")
    if len(plain) > MOST:
        raise ValueError(f"the list names {len(plain)} GPUs")
    return GpuSetting("devices", devices=plain, is_option=is_option, where=where)


@dataclass(frozen=True, slots=True)
class Gpu:
    """Whether a run gets GPUs, and the fact that decided it.

    `devices` are those that it gets: ("all",), or names; empty for the CPU. `options` hand them to a
    container, `env` shows them to a process, or hides those it does not get. `needs_trial`: whether
    the engine hands them over is known only once it was tried.
    """

    use: bool
    why: str
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    needs_trial: bool = False

    def json(self) -> dict[str, Any]:
        """As a run's record and a dry run show it."""
        return {"devices": list(self.devices), "why": self.why}


NO_GPU = Gpu(False, "")
