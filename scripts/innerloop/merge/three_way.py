"""What was last rendered, what is found, what is wanted now: one decision per path.

found == wanted            nothing to do
found == last              take what is wanted
wanted == last             keep the person's
in last, not in found      the person removed it: it stays removed
only in found              theirs
all three differ           keep theirs, and say so: a clash
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ..errors import Mistake
from .edits import Edit, New, Page, apply, placed, reshape, transform
from .jsonc import Node, parse
from .paths import Member, Path, format_path, parse_path
from .rules import Kind, Rules
from .style import layout, new_file
from .values import ABSENT, Json, Maybe, canonical, same, scalar_text


@dataclass(frozen=True, slots=True)
class Clash:
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
    def sentence(self) -> str:
        yours = f"{self.path} is yours ({_brief(self.found)}) and was kept"
        if self.wanted is ABSENT:
            return f"{yours}, but what was rendered there ({_brief(self.last)}) is no longer wanted"
        if self.last is ABSENT:
            return f"{yours}, but {_brief(self.wanted)} is wanted there"
        was, now = _brief(self.last), _brief(self.wanted)
        return f"{yours}, but what was rendered there changed from {was} to {now}"


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
    def sentence(self) -> str:
        return f"{self.what or self.path} is yours and stays, the rest of it was removed"


@dataclass(frozen=True, slots=True)
class Merged:
    """`text` is None when the file should not be there. `last` is what to remember as last
    rendered, None for nothing; with it, the same merge again changes nothing."""

    text: str | None
    clashes: tuple[Clash, ...] = ()
    kept: tuple[Kept, ...] = ()
    last: Json | None = None


def merge(
    found_text: str | None, last: Json | None, wanted: Json | None, rules: Rules, name: str = ""
) -> Merged:
    """One file: `found_text` None when it is not there, `last` None when nothing is remembered,
    `wanted` None when there should be no such file. `name` is the file's, for sentences. Raises
    ParseError when the text found is not JSON with comments."""
    return _merge(found_text, _maybe(last), _maybe(wanted), rules, name, frozenset())


def take(
    found_text: str, last: Json | None, wanted: Json | None, rules: Rules, path: str, name: str = ""
) -> Merged:
    """Settles the clashes at or below the path: what is wanted takes the place of the person's."""
    settled = _clashes_below(found_text, last, wanted, rules, path, name)
    remembered = _maybe(last)
    for clash in settled:
        remembered = _with(remembered, clash.steps, clash.found, rules)
    forced = frozenset(clash.steps for clash in settled)
    return _merge(found_text, remembered, _maybe(wanted), rules, name, forced)


def keep(
    found_text: str, last: Json | None, wanted: Json | None, rules: Rules, path: str, name: str = ""
) -> Merged:
    """Settles the clashes at or below the path: the person's stays, until what is wanted changes
    again."""
    remembered = _maybe(last)
    for clash in _clashes_below(found_text, last, wanted, rules, path, name):
        remembered = _with(remembered, clash.steps, clash.wanted, rules)
    return _merge(found_text, remembered, _maybe(wanted), rules, name, frozenset())


def _maybe(value: Json | None) -> Maybe:
    return ABSENT if value is None else value


def _merge(
    found_text: str | None,
    last: Maybe,
    wanted: Maybe,
    rules: Rules,
    name: str,
    forced: frozenset[Path],
) -> Merged:
    remember = None if wanted is ABSENT else wanted
    if found_text is None:
        new = wanted is not ABSENT and last is ABSENT
        return Merged(new_file(wanted) if new else None, last=remember)
    if wanted is not ABSENT and _plainly(found_text, wanted):
        return Merged(found_text, last=remember)
    page = Page(parse(found_text, name))
    root = page.document.root
    if root is None:
        text = _into_empty(page, wanted) if last is ABSENT and remember is not None else found_text
        return Merged(text, last=remember)
    walk = _Walk(page, rules, forced)
    result = walk.value(root, last, wanted, ())
    left = None if result.last is ABSENT else result.last
    if not result.goes:
        clashes = tuple(sorted(walk.clashes, key=lambda clash: (clash.line, clash.column)))
        kept = tuple(sorted(walk.kept, key=lambda kept: (kept.line, kept.column)))
        return Merged(apply(found_text, result.edits), clashes, kept, left)
    if not page.document.comments:
        return Merged(None)
    emptied = reshape(page, root, set(range(len(root.entries))), [])
    start, _ = page.document.comments[0]
    comment = Kept((), *page.document.position(start), what="a comment")
    return Merged(apply(found_text, emptied), kept=(comment,))


def _plainly(text: str, wanted: Json) -> bool:
    """The usual case, fast: the text is JSON without comments and says what is wanted."""
    try:
        return same(json.loads(text), wanted)
    except (ValueError, RecursionError):
        return False


def _into_empty(page: Page, wanted: Json) -> str:
    text, style = page.text, page.style
    rest = text.rstrip(" \t\r\n")
    head = rest + style.eol if page.document.comments else rest
    return head + layout(wanted, style) + style.eol


@dataclass(slots=True)
class _Result:
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


class _Walk:
    """One merge of one file; collects what a person should hear of."""

    def __init__(self, page: Page, rules: Rules, forced: frozenset[Path]) -> None:
        self.page, self.rules, self.forced = page, rules, forced
        self.clashes: list[Clash] = []
        self.kept: list[Kept] = []

    def value(
        self, node: Node, last: Maybe, wanted: Maybe, path: Path, identity: str = ""
    ) -> _Result:
        """Decides for a value that is found. `identity`: it is a member of a named list, and its
        name stands under this key."""
        if same(wanted, last) or same(node.value, wanted):
            return _Result(False, wanted)
        if _alike(dict, node.value, last, wanted):
            return self._object(node, last, wanted, path, identity)
        if _alike(list, node.value, last, wanted):
            kind = self.rules.kind(path)
            if kind.merge == "set":
                return self._set(node, last, wanted, path)
            if kind.merge == "named" and _named(kind, last) and _named(kind, wanted):
                return self._list(node, last, wanted, path, kind)
        return self._whole(node, last, wanted, path)

    def _whole(self, node: Node, last: Maybe, wanted: Maybe, path: Path) -> _Result:
        # A key that hides another one is not seen in the value: such a thing is not just ours.
        if same(node.value, last) and (not node.shadowed or path in self.forced):
            if wanted is ABSENT:
                return _Result(True, ABSENT)
            return _Result(False, wanted, transform(self.page, node, wanted))
        position = self.page.document.position(node.start)
        self.clashes.append(Clash(path, *position, node.value, wanted, last))
        return _Result(False, last)

    def _object(self, node: Node, last: Maybe, wanted: Maybe, path: Path, identity: str) -> _Result:
        here: dict[str | None, int] = {entry.key: i for i, entry in enumerate(node.entries)}
        names = _Names(here, dict(_table(last)), _table(wanted))
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

    def _list(self, node: Node, last: Maybe, wanted: Maybe, path: Path, kind: Kind) -> _Result:
        here: dict[str | None, int] = {}
        for index, item in enumerate(node.value):
            name = kind.name_of(item)
            if name is not None:
                here.setdefault(name, index)  # of two with one name, the second is the person's
        names = _Names(here, _by_name(kind, last), _by_name(kind, wanted))
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
    ) -> _Result:
        """`left` is what to remember of it."""
        if wanted is ABSENT:
            if len(changes.gone) == len(node.entries):
                return _Result(True, ABSENT)
            self._name_kept(node, {names.here.get(name, -1) for name in names.last}, path)
        edits = changes.edits + reshape(self.page, node, changes.gone, changes.new)
        # Nothing of it is ours, so it was never rendered.
        ours = isinstance(last, type(node.value)) or same(wanted, left)
        nothing = not left and (wanted is ABSENT or not ours)
        return _Result(False, ABSENT if nothing else left, edits)

    def _set(self, node: Node, last: Maybe, wanted: Maybe, path: Path) -> _Result:
        texts = [canonical(item) for item in node.value]
        here: dict[str | None, int] = {}
        for index, text in enumerate(texts):
            here.setdefault(text, index)
        before = {canonical(item) for item in _items(last)}
        now = {canonical(item): item for item in _items(wanted)}
        gone = {here[text] for text in before - set(now) if text in here}
        if wanted is ABSENT:
            if len(gone) == len(texts):
                return _Result(True, ABSENT)
            self._name_kept(node, gone, path)
        places = placed(list(now), here, len(texts))
        new = [New(gap, None, now[text]) for gap, text in places if text not in before]
        return _Result(False, wanted, reshape(self.page, node, gone, new))

    def _name_kept(self, node: Node, ours: set[int], path: Path) -> None:
        """Names the entries of a container that goes, but for those that were rendered."""
        for index, entry in enumerate(node.entries):
            if index not in ours:
                steps = path if entry.key is None else (*path, entry.key)
                what = "" if entry.key is not None else f"{_brief(entry.node.value)} in "
                what += "" if entry.key is not None else format_path(path)
                self.kept.append(Kept(steps, *self.page.document.position(entry.start), what))


def _alike(shape: type, found: Json, last: Maybe, wanted: Maybe) -> bool:
    """Whether all that is there has the shape; an earlier value of another shape is as none."""
    present = last if wanted is ABSENT else wanted
    return isinstance(found, shape) and isinstance(present, shape)


def _table(value: Maybe) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _items(value: Maybe) -> list[Json]:
    return value if isinstance(value, list) else []


def _by_name(kind: Kind, value: Maybe) -> dict[str, Json]:
    return {kind.name_of(item) or "": item for item in _items(value)}


def _named(kind: Kind, value: Maybe) -> bool:
    """Whether each item has a name, and none has another's."""
    names = {kind.name_of(item) for item in _items(value)}
    return None not in names and len(names) == len(_items(value))


def _clashes_below(
    found_text: str, last: Json | None, wanted: Json | None, rules: Rules, path: str, name: str
) -> list[Clash]:
    steps = parse_path(path)
    clashes = merge(found_text, last, wanted, rules, name).clashes
    below = [clash for clash in clashes if clash.steps[: len(steps)] == steps]
    if not below:
        there = ", ".join(clash.path for clash in clashes)
        mend = f"Clashes are at: {there}" if clashes else "There is none in this file"
        raise Mistake(f"there is no clash at {path}", where=name, mend=mend)
    return below


def _with(tree: Maybe, path: Path, value: Maybe, rules: Rules, at: Path = ()) -> Maybe:
    """A copy of the remembered tree with another value at the path."""
    if not path:
        return value
    step, rest, below = path[0], path[1:], (*at, path[0])
    if not isinstance(step, Member):
        table = dict(_table(tree))
        changed = _with(table.get(step, ABSENT), rest, value, rules, below)
        table.pop(step, None)
        return table if changed is ABSENT else {**table, step: changed}
    kind = rules.kind(at)
    members = _by_name(kind, tree)
    start = {kind.identity: str(step)} if rest else ABSENT
    changed = _with(members.get(step, start), rest, value, rules, below)
    members.pop(step, None)
    return [*members.values(), *([] if changed is ABSENT else [changed])]


def _brief(value: Json) -> str:
    text = scalar_text(value)
    return text if len(text) <= 60 else text[:57] + "..."
