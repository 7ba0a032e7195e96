"""The result of a merge: the text, the base to record, and what a person should know."""

from __future__ import annotations

from ..util.errors import join_names
from ..util.json_values import ABSENT, Json, Maybe, scalar_text
from ..util.quick_dataclasses import dataclass
from .json_paths import Path, format_path
from .merge_rules import Group


@dataclass(frozen=True, slots=True)
class Conflict:
    """Base, yours and theirs all differ at `steps`; yours is kept.

    `theirs` or `base` may be ABSENT. For a group of keys that merge as one, `group` says which,
    `keys` are those that differ, and the three values are objects with the group's keys.
    """

    steps: Path
    line: int
    column: int
    yours: Json
    theirs: Maybe
    base: Maybe
    group: Group | None = None
    keys: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return format_path(self.steps)

    @property
    def message(self) -> str:
        if self.group:
            return self._of_a_group
        if not self.steps and isinstance(self.yours, str):
            return self._of_a_text
        name = self.path if self.steps else "the whole file"
        yours = f"{name} is yours ({brief(self.yours)}) and was kept"
        if self.theirs is ABSENT:
            return f"{yours}, but the generated value ({brief(self.base)}) is to be removed"
        if self.base is ABSENT:
            return f"{yours}, but {brief(self.theirs)} is generated there"
        was, now = brief(self.base), brief(self.theirs)
        return f"{yours}, but the generated value changed from {was} to {now}"

    @property
    def _of_a_group(self) -> str:
        return (
            f"{join_names(self.keys)}: these keys belong together and yours were kept, but the "
            "generated ones differ"
        )

    @property
    def _of_a_text(self) -> str:
        if self.base is ABSENT:
            return "this file is yours and was kept, but one is generated in its place"
        return "your version was kept: the generated text changed in the same lines as you did"


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """An entry of the person's that stays although the container around it is no longer generated."""

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
    """`text` is None when the file should not exist.

    `base` is what to record as last generated, None for nothing; the same merge with it changes
    nothing.
    """

    text: str | None
    conflicts: tuple[Conflict, ...] = ()
    kept: tuple[KeptEntry, ...] = ()
    base: Json | None = None


def brief(value: Json) -> str:
    """The value as JSON on one line of at most 60 characters."""
    text = scalar_text(value)
    return text if len(text) <= 60 else text[:57] + "..."
