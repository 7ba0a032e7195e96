"""What was last rendered, what is found, what is wanted now: one decision per path.

found == wanted            nothing to do
found == last              take what is wanted
wanted == last             keep the person's
in last, not in found      the person removed it: it stays removed
only in found              theirs
all three differ           keep theirs, and say so: a clash
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..util.json_values import ABSENT, Json, Maybe, canonical, same
from ..util.jsonc import Node
from .conflicts import Conflict, Kept, brief
from .json_edits import Edit, New, Page, placed, reshape, transform
from .json_paths import Member, Path, format_path
from .merge_rules import Kind, Rules


@dataclass(slots=True)
class Result:
    """What becomes of a value that is found: `goes` (its edits do not count then) or stays with
    these edits; and what to remember of it."""

    goes: bool
    last: Maybe
    edits: list[Edit] = field(default_factory=list)


@dataclass(slots=True)
class _Names:
    """The entries of one container by key or name: index of what is found, values of the rest."""

    here: dict[str | None, int]
    last: dict[str, Json]
    wanted: dict[str, Json]


@dataclass(slots=True)
class _Changes:
    """What happens in one container: entries that go, new ones, edits inside the others, and what
    to remember of each name."""

    gone: set[int] = field(default_factory=set)
    new: list[New] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    last: dict[str, Json] = field(default_factory=dict)


class Walk:
    """One merge of one file; collects what a person should hear of."""

    def __init__(self, page: Page, rules: Rules, forced: frozenset[Path]) -> None:
        self.page, self.rules, self.forced = page, rules, forced
        self.clashes: list[Conflict] = []
        self.kept: list[Kept] = []

    def value(
        self, node: Node, last: Maybe, wanted: Maybe, path: Path, identity: str = ""
    ) -> Result:
        """Decides for a value that is found. `identity`: it is a member of a named list, and its
        name stands under this key."""
        if same(wanted, last) or same(node.value, wanted):
            return Result(False, wanted)
        if _alike(dict, node.value, last, wanted):
            return self._object(node, last, wanted, path, identity)
        if _alike(list, node.value, last, wanted):
            kind = self.rules.kind(path)
            if kind.merge == "set":
                return self._set(node, last, wanted, path)
            if kind.merge == "named" and _named(kind, last):
                if _named(kind, wanted):
                    return self._list(node, last, wanted, path, kind)
                if path not in self.forced:  # the order it had is not remembered: not just ours
                    return self._clash(node, last, wanted, path)
        return self._whole(node, last, wanted, path)

    def _whole(self, node: Node, last: Maybe, wanted: Maybe, path: Path) -> Result:
        # A key that hides another one is not seen in the value: such a thing is not just ours.
        if same(node.value, last) and (not node.shadowed or path in self.forced):
            if wanted is ABSENT:
                return Result(True, ABSENT)
            return Result(False, wanted, transform(self.page, node, wanted))
        return self._clash(node, last, wanted, path)

    def _clash(self, node: Node, last: Maybe, wanted: Maybe, path: Path) -> Result:
        if self._differ_in_order_alone(last, wanted, path):
            return Result(False, wanted)
        position = self.page.document.position(node.start)
        self.clashes.append(Conflict(path, *position, node.value, wanted, last))
        return Result(False, last)

    def _differ_in_order_alone(self, last: Maybe, wanted: Maybe, path: Path) -> bool:
        """Named lists are remembered in the order of their names."""
        if last is ABSENT or wanted is ABSENT:
            return False
        return same(self.rules.by_name(last, path), self.rules.by_name(wanted, path))

    def _object(self, node: Node, last: Maybe, wanted: Maybe, path: Path, identity: str) -> Result:
        here: dict[str | None, int] = {entry.key: i for i, entry in enumerate(node.entries)}
        names = _Names(here, dict(table(last)), table(wanted))
        name = here.get(identity) if wanted is ABSENT and identity else None
        if name is None:
            changes = self._members(node, names, path)
            return self._container(node, names, changes, last, wanted, changes.last, path)
        # The name of a member stays as long as something else of it stays.
        label = names.last.pop(identity, ABSENT)
        changes = self._members(node, names, path)
        if len(changes.gone) == len(node.entries) - 1:
            changes.gone.add(name)
        if label is not ABSENT:
            names.last[identity] = label
            changes.last = {identity: label, **changes.last} if changes.last else {}
        return self._container(node, names, changes, last, wanted, changes.last, path)

    def _list(self, node: Node, last: Maybe, wanted: Maybe, path: Path, kind: Kind) -> Result:
        here: dict[str | None, int] = {}
        for index, item in enumerate(node.value):
            name = kind.name_of(item)
            if name is not None:
                here.setdefault(name, index)  # of two with one name, the second is the person's
        names = _Names(here, by_name(kind, last), by_name(kind, wanted))
        changes = self._members(node, names, path, kind)
        left = list(changes.last.values())
        return self._container(node, names, changes, last, wanted, left, path)

    def _members(self, node: Node, names: _Names, path: Path, kind: Kind | None = None) -> _Changes:
        """Each name that was rendered or is wanted, in a named list or (no kind) in an object."""
        changes = _Changes()
        for name in dict.fromkeys([*names.wanted, *names.last]):
            index = names.here.get(name)
            wanted = names.wanted.get(name, ABSENT)
            if index is not None:
                step = Member(name) if kind else name
                last = names.last.get(name, ABSENT)
                wanted = self._member(node, index, last, wanted, (*path, step), kind, changes)
            if wanted is not ABSENT:
                changes.last[name] = wanted
        for gap, name in placed(list(names.wanted), names.here, len(node.entries)):
            if name not in names.last:  # what was rendered and is not there, the person removed
                changes.new.append(New(gap, None if kind else name, names.wanted[name]))
        return changes

    def _member(
        self,
        node: Node,
        index: int,
        last: Maybe,
        wanted: Maybe,
        path: Path,
        kind: Kind | None,
        changes: _Changes,
    ) -> Maybe:
        """Decides for one entry that is found, and says what to remember of it."""
        identity = kind.identity if kind else ""
        result = self.value(node.entries[index].node, last, wanted, path, identity)
        if result.goes:
            changes.gone.add(index)
        else:
            changes.edits += result.edits
        return result.last

    def _container(
        self,
        node: Node,
        names: _Names,
        changes: _Changes,
        last: Maybe,
        wanted: Maybe,
        left: Json,
        path: Path,
    ) -> Result:
        """`left` is what to remember of it."""
        if wanted is ABSENT:
            if len(changes.gone) == len(node.entries):
                return Result(True, ABSENT)
            self._name_kept(node, {names.here.get(name, -1) for name in names.last}, path)
        edits = changes.edits + reshape(self.page, node, changes.gone, changes.new)
        # Nothing of it is ours, so it was never rendered.
        ours = isinstance(last, type(node.value)) or same(wanted, left)
        nothing = not left and (wanted is ABSENT or not ours)
        return Result(False, ABSENT if nothing else left, edits)

    def _set(self, node: Node, last: Maybe, wanted: Maybe, path: Path) -> Result:
        texts = [canonical(item) for item in node.value]
        here: dict[str | None, int] = {}
        for index, text in enumerate(texts):
            here.setdefault(text, index)
        before = {canonical(item) for item in items(last)}
        now = {canonical(item): item for item in items(wanted)}
        gone = {here[text] for text in before - set(now) if text in here}
        if wanted is ABSENT:
            if len(gone) == len(texts):
                return Result(True, ABSENT)
            self._name_kept(node, gone, path)
        places = placed(list(now), here, len(texts))
        new = [New(gap, None, now[text]) for gap, text in places if text not in before]
        return Result(False, wanted, reshape(self.page, node, gone, new))

    def _name_kept(self, node: Node, ours: set[int], path: Path) -> None:
        """Names the entries of a container that goes, but for those that were rendered."""
        for index, entry in enumerate(node.entries):
            if index not in ours:
                steps = path if entry.key is None else (*path, entry.key)
                what = "" if entry.key is not None else f"{brief(entry.node.value)} in "
                what += "" if entry.key is not None else format_path(path)
                self.kept.append(Kept(steps, *self.page.document.position(entry.start), what))


def _alike(shape: type, found: Json, last: Maybe, wanted: Maybe) -> bool:
    """Whether all that is there has the shape; an earlier value of another shape is as none."""
    present = last if wanted is ABSENT else wanted
    return isinstance(found, shape) and isinstance(present, shape)


def table(value: Maybe) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def items(value: Maybe) -> list[Json]:
    return value if isinstance(value, list) else []


def by_name(kind: Kind, value: Maybe) -> dict[str, Json]:
    return {kind.name_of(item) or "": item for item in items(value)}


def _named(kind: Kind, value: Maybe) -> bool:
    """Whether each item has a name, and none has another's."""
    names = {kind.name_of(item) for item in items(value)}
    return None not in names and len(names) == len(items(value))
