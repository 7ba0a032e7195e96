"""Versions of the tool, in the order of PEP 440.

Only the canonical form is read, which is what build tools write into the name of a wheel:
`[N!]N(.N)*[{a|b|rc}N][.postN][.devN][+local]`.

Source: Python Packaging User Guide, "Version specifiers".
"""

from __future__ import annotations

from dataclasses import field
from typing import TypeAlias

from .late_patterns import late_pattern
from .quick_dataclasses import dataclass

# No number is so long that Python refuses to read it.
_NUMBER = "[0-9]{1,18}"
_FORM = late_pattern(
    rf"(?:(?P<epoch>{_NUMBER})!)?(?P<release>{_NUMBER}(?:\.{_NUMBER}){{0,9}})"
    rf"(?:(?P<phase>a|b|rc)(?P<pre>{_NUMBER}))?"
    rf"(?:\.post(?P<post>{_NUMBER}))?(?:\.dev(?P<dev>{_NUMBER}))?"
    r"(?:\+(?P<local>[a-z0-9]{1,18}(?:\.[a-z0-9]{1,18}){0,9}))?"
)
_PHASES = {"a": 0, "b": 1, "rc": 2}
_FINAL = 3
# The phase of a version that is no alpha, beta, candidate or development release.
FINAL = (_FINAL, 0)
# Where a development release has no other phase, it comes before all of them.
_BEFORE_ALL = -1
_LAST = 10**18

_Local: TypeAlias = tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version; its text does not count when two are compared: 1.0 and 1.0.0 are equal."""

    epoch: int
    release: tuple[int, ...]  # without zeros at the end
    phase: tuple[int, int]
    post: int
    dev: int
    local: _Local
    text: str = field(compare=False)

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Version | None:
    """The version that a text names; None if the text is none."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    release = [int(part) for part in match["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    phase = FINAL
    if match["phase"]:
        phase = (_PHASES[match["phase"]], int(match["pre"]))
    elif match["dev"] and not match["post"]:
        phase = (_BEFORE_ALL, 0)
    return Version(
        epoch=int(match["epoch"] or 0),
        release=tuple(release),
        phase=phase,
        post=int(match["post"]) if match["post"] else -1,
        dev=int(match["dev"]) if match["dev"] else _LAST,
        local=_local(match["local"] or ""),
        text=text,
    )


def is_newer(text: str, other: str) -> bool:
    """Whether the first text names a newer version than the second one.

    A text that names no version is older than each that does.
    """
    first, second = parse(text), parse(other)
    return first is not None and (second is None or first > second)


def newest(*texts: str) -> str:
    """The text that names the newest version; of equal ones the first; "" if none names one."""
    result = ""
    for text in texts:
        if is_newer(text, result):
            result = text
    return result


def _local(text: str) -> _Local:
    """Segments of digits count as numbers, and come after all others."""
    return tuple(
        (1, int(part), "") if part.isdigit() else (0, 0, part) for part in text.split(".") if part
    )
