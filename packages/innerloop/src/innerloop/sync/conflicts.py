"""What a merge says: the text, what to remember, and what a person should hear of."""

from __future__ import annotations

from dataclasses import dataclass

from ..util.json_values import ABSENT, Json, Maybe, scalar_text
from .json_paths import Path, format_path


@dataclass(frozen=True, slots=True)
class Conflict:
    """All three differ at `steps`; the person's is kept. `wanted` or `last` may be ABSENT."""

    steps: Path
    line: int
    column: int
    found: Json
    wanted: Maybe
    last: Maybe

    @property
    def path(self) -> str:
        return format_path(self.steps)

    @property
    def message(self) -> str:
        if not self.steps and isinstance(self.found, str):
            return self._of_a_whole_file
        yours = f"{self.path if self.steps else 'the whole of it'} is yours ({brief(self.found)}) and was kept"
        if self.wanted is ABSENT:
            return f"{yours}, but what was rendered there ({brief(self.last)}) is no longer wanted"
        if self.last is ABSENT:
            return f"{yours}, but {brief(self.wanted)} is wanted there"
        was, now = brief(self.last), brief(self.wanted)
        return f"{yours}, but what was rendered there changed from {was} to {now}"

    @property
    def _of_a_whole_file(self) -> str:
        if self.last is ABSENT:
            return "this file is yours and was kept, but one is rendered at its place"
        return (
            "you changed this file, so it is yours and was kept, but what is rendered has changed"
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """Something of the person's that stays although what it stood in is no longer wanted."""

    steps: Path
    line: int
    column: int
    what: str = ""

    @property
    def path(self) -> str:
        return format_path(self.steps)

    @property
    def message(self) -> str:
        return f"{self.what or self.path} is yours and stays, the rest of it was removed"


@dataclass(frozen=True, slots=True)
class Merged:
    """`text` is None when the file should not be there. `last` is what to remember as last
    rendered, None for nothing; with it, the same merge again changes nothing."""

    text: str | None
    clashes: tuple[Conflict, ...] = ()
    kept: tuple[Kept, ...] = ()
    last: Json | None = None


def brief(value: Json) -> str:
    text = scalar_text(value)
    return text if len(text) <= 60 else text[:57] + "..."
