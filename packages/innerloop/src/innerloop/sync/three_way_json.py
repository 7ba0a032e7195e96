"""Base (last generated), yours (on the disk), theirs (generated now): one decision per path.

yours == theirs              nothing to do
yours == base                take theirs
theirs == base               keep yours
in base, not in yours        the person removed it: it stays removed
only in yours                the person's: it stays
all three differ             keep yours and report a conflict

The keys of a group (`merge_rules.Group`) are decided as if they were one value.
"""

from __future__ import annotations

from dataclasses import field

from ..util.json_values import ABSENT, Json, Maybe, canonical, same
from ..util.jsonc import Node
from ..util.quick_dataclasses import dataclass
from .conflicts import Conflict, KeptEntry, brief
from .json_edits import Edit, NewEntry, StyledDocument, insertion_gaps, reshape, transform
from .json_paths import Member, Path, format_path
from .merge_rules import Group, Kind, MergeRules


@dataclass(slots=True)
class MergeResult:
    """The result of the merge for a value of yours.

    It `goes` (then its edits do not count), or it stays with these `edits`. `base` is what to
    record for it.
    """

    goes: bool
    base: Maybe
    edits: list[Edit] = field(default_factory=list)


@dataclass(slots=True)
class _Names:
    """The entries of one container by key or name.

    `yours` has the index of each of yours, `base` and `theirs` the values of the other two.
    """

    yours: dict[str | None, int]
    base: dict[str, Json]
    theirs: dict[str, Json]


@dataclass(slots=True)
class _Changes:
    """The changes in one container.

    They are entries that go, new ones, edits inside the others, and the base to record for each
    name.
    """

    gone: set[int] = field(default_factory=set)
    new: list[NewEntry] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    base: dict[str, Json] = field(default_factory=dict)


class JsonMerge:
    """One merge of one file; collects conflicts and kept entries.

    Values at the paths in `forced` count as ours even where the text has the same key twice.
    """

    def __init__(
        self, document: StyledDocument, rules: MergeRules, forced: frozenset[Path]
    ) -> None:
        self.document, self.rules, self.forced = document, rules, forced
        self.conflicts: list[Conflict] = []
        self.kept: list[KeptEntry] = []

    def file(self, root: Node, base: Maybe, theirs: Maybe) -> MergeResult:
        """Decides for the whole file, its group of keys first."""
        if self.rules.group is None or not _alike(dict, root.value, base, theirs):
            return self.value(root, base, theirs, ())
        group = self.rules.group.fitting(root.value)
        yours_part, base_part, theirs_part = (
            group.part(value) for value in (root.value, base, theirs)
        )
        if any(
            same(one, other)
            for one, other in (
                (theirs_part, base_part),
                (yours_part, theirs_part),
                (yours_part, base_part),
            )
        ):
            return self.value(root, base, theirs, ())
        if not yours_part and theirs is ABSENT:
            return self.value(root, base, theirs, ())
        # The group is the person's: for the rest of the merge it counts as unchanged.
        has_list = group.items_of in root.value or group.items_of in as_object(base)
        neutral_base = group.neutral(base, yours_part, keeps_list=True)
        neutral_theirs = group.neutral(theirs, yours_part, keeps_list=has_list)
        result = self.value(root, neutral_base, neutral_theirs, ())
        if yours_part:
            self._group_conflict(root, group, yours_part, base_part, theirs_part)
        # What the person removed altogether stays removed, whatever becomes of theirs.
        record = group.with_part(result.base, base_part if yours_part else theirs_part)
        return MergeResult(result.goes, group.in_order_of(record, theirs), result.edits)

    def _group_conflict(
        self,
        root: Node,
        group: Group,
        yours: dict[str, Json],
        base: dict[str, Json],
        theirs: dict[str, Json],
    ) -> None:
        keys = [
            key
            for key in dict.fromkeys([*yours, *theirs, *base])
            if not same(yours.get(key, ABSENT), theirs.get(key, ABSENT))
        ]
        starts: dict[str | None, int] = {entry.key: entry.start for entry in root.entries}
        if group.items_of not in yours:
            starts.pop(group.items_of, None)
        keys.sort(key=lambda key: (key not in group.keys, key not in starts, starts.get(key, 0)))
        position = self.document.parsed.position(starts.get(keys[0], root.start))
        self.conflicts.append(
            Conflict((keys[0],), *position, yours, theirs, base, group=group, keys=tuple(keys))
        )

    def value(
        self, node: Node, base: Maybe, theirs: Maybe, path: Path, identity: str = ""
    ) -> MergeResult:
        """Decides for a value of yours.

        `identity`: it is a member of a named list, and its name stands under this key.
        """
        if same(theirs, base) or same(node.value, theirs):
            return MergeResult(False, theirs)
        if _alike(dict, node.value, base, theirs):
            return self._object(node, base, theirs, path, identity)
        if _alike(list, node.value, base, theirs):
            kind = self.rules.kind(path)
            if kind.merge == "set":
                return self._set(node, base, theirs, path)
            if kind.merge == "named" and _named(kind, base):
                if _named(kind, theirs):
                    return self._list(node, base, theirs, path, kind)
                # The base does not record the list's order, so equality with it proves nothing.
                if path not in self.forced:
                    return self._conflict(node, base, theirs, path)
        return self._whole(node, base, theirs, path)

    def _whole(self, node: Node, base: Maybe, theirs: Maybe, path: Path) -> MergeResult:
        # A key that hides another one is not part of the value, so the value is not just ours.
        if same(node.value, base) and (not node.shadowed or path in self.forced):
            if theirs is ABSENT:
                return MergeResult(True, ABSENT)
            return MergeResult(False, theirs, transform(self.document, node, theirs))
        return self._conflict(node, base, theirs, path)

    def _conflict(self, node: Node, base: Maybe, theirs: Maybe, path: Path) -> MergeResult:
        if self._differ_in_order_alone(base, theirs, path):
            return MergeResult(False, theirs)
        position = self.document.parsed.position(node.start)
        self.conflicts.append(Conflict(path, *position, node.value, theirs, base))
        return MergeResult(False, base)

    def _differ_in_order_alone(self, base: Maybe, theirs: Maybe, path: Path) -> bool:
        """The base has named lists sorted by name, not in the generated order."""
        if base is ABSENT or theirs is ABSENT:
            return False
        return same(self.rules.by_name(base, path), self.rules.by_name(theirs, path))

    def _object(
        self, node: Node, base: Maybe, theirs: Maybe, path: Path, identity: str
    ) -> MergeResult:
        yours: dict[str | None, int] = {entry.key: i for i, entry in enumerate(node.entries)}
        names = _Names(yours, dict(as_object(base)), dict(as_object(theirs)))
        name = yours.get(identity) if theirs is ABSENT and identity else None
        if name is None:
            changes = self._members(node, names, path)
            return self._container(node, names, changes, base, theirs, changes.base, path)
        # The name of a member stays as long as something else of it stays.
        label = names.base.pop(identity, ABSENT)
        changes = self._members(node, names, path)
        if len(changes.gone) == len(node.entries) - 1:
            changes.gone.add(name)
        if label is not ABSENT:
            names.base[identity] = label
            changes.base = {identity: label, **changes.base} if changes.base else {}
        return self._container(node, names, changes, base, theirs, changes.base, path)

    def _list(self, node: Node, base: Maybe, theirs: Maybe, path: Path, kind: Kind) -> MergeResult:
        yours: dict[str | None, int] = {}
        for index, item in enumerate(node.value):
            name = kind.name_of(item)
            if name is not None:
                yours.setdefault(name, index)  # of two with one name, the second is the person's
        names = _Names(yours, by_name(kind, base), by_name(kind, theirs))
        changes = self._members(node, names, path, kind)
        record = list(changes.base.values())
        return self._container(node, names, changes, base, theirs, record, path)

    def _members(self, node: Node, names: _Names, path: Path, kind: Kind | None = None) -> _Changes:
        """Decides for each name of base and theirs, in a named list or (no kind) in an object."""
        changes = _Changes()
        for name in dict.fromkeys([*names.theirs, *names.base]):
            index = names.yours.get(name)
            record = names.theirs.get(name, ABSENT)
            if index is not None:
                step = Member(name) if kind else name
                base = names.base.get(name, ABSENT)
                record = self._member(node, index, base, record, (*path, step), kind, changes)
            if record is not ABSENT:
                changes.base[name] = record
        for gap, name in insertion_gaps(list(names.theirs), names.yours, len(node.entries)):
            if name not in names.base:  # in base and not in yours: the person removed it
                changes.new.append(NewEntry(gap, None if kind else name, names.theirs[name]))
        return changes

    def _member(
        self,
        node: Node,
        index: int,
        base: Maybe,
        theirs: Maybe,
        path: Path,
        kind: Kind | None,
        changes: _Changes,
    ) -> Maybe:
        """Decides for one entry of yours; returns the base to record for it."""
        identity = kind.identity if kind else ""
        result = self.value(node.entries[index].node, base, theirs, path, identity)
        if result.goes:
            changes.gone.add(index)
        else:
            changes.edits += result.edits
        return result.base

    def _container(
        self,
        node: Node,
        names: _Names,
        changes: _Changes,
        base: Maybe,
        theirs: Maybe,
        record: Json,
        path: Path,
    ) -> MergeResult:
        """`record` is the base of its entries together."""
        if theirs is ABSENT:
            if len(changes.gone) == len(node.entries):
                return MergeResult(True, ABSENT)
            self._report_kept(node, {names.yours.get(name, -1) for name in names.base}, path)
        edits = changes.edits + reshape(self.document, node, changes.gone, changes.new)
        # With nothing of ours in it, it counts as never generated.
        ours = isinstance(base, type(node.value)) or same(theirs, record)
        nothing = not record and (theirs is ABSENT or not ours)
        return MergeResult(False, ABSENT if nothing else record, edits)

    def _set(self, node: Node, base: Maybe, theirs: Maybe, path: Path) -> MergeResult:
        texts = [canonical(item) for item in node.value]
        yours: dict[str | None, int] = {}
        for index, text in enumerate(texts):
            yours.setdefault(text, index)
        before = {canonical(item) for item in as_list(base)}
        now = {canonical(item): item for item in as_list(theirs)}
        gone = {yours[text] for text in before - set(now) if text in yours}
        if theirs is ABSENT:
            if len(gone) == len(texts):
                return MergeResult(True, ABSENT)
            self._report_kept(node, gone, path)
        gaps = insertion_gaps(list(now), yours, len(texts))
        new = [NewEntry(gap, None, now[text]) for gap, text in gaps if text not in before]
        return MergeResult(False, theirs, reshape(self.document, node, gone, new))

    def _report_kept(self, node: Node, ours: set[int], path: Path) -> None:
        """Names the entries of a container that is no longer generated, except ours."""
        for index, entry in enumerate(node.entries):
            if index not in ours:
                steps = path if entry.key is None else (*path, entry.key)
                what = "" if entry.key is not None else f"{brief(entry.node.value)} in "
                what += "" if entry.key is not None else format_path(path)
                self.kept.append(
                    KeptEntry(steps, *self.document.parsed.position(entry.start), what)
                )


def _alike(shape: type, yours: Json, base: Maybe, theirs: Maybe) -> bool:
    """Whether yours and theirs (or base, when theirs is absent) have this type.

    A base of another type counts as absent.
    """
    present = base if theirs is ABSENT else theirs
    return isinstance(yours, shape) and isinstance(present, shape)


def as_object(value: Maybe) -> dict[str, Json]:
    """The value, or an empty object for a value of another type."""
    return value if isinstance(value, dict) else {}


def as_list(value: Maybe) -> list[Json]:
    """The value, or an empty list for a value of another type."""
    return value if isinstance(value, list) else []


def by_name(kind: Kind, value: Maybe) -> dict[str, Json]:
    return {kind.name_of(item) or "": item for item in as_list(value)}


def _named(kind: Kind, value: Maybe) -> bool:
    """Whether each item has a name, and no two have the same."""
    names = {kind.name_of(item) for item in as_list(value)}
    return None not in names and len(names) == len(as_list(value))
