"""The template's newer `environment/`, `pytest.ini` and `.amlignore` for experiments made from it.

A file that is as the template gave it gives way to the newer one; one that a person edited is merged
by lines, with what the template gave as the base. Where both changed the same lines the person's
file stays, and is named. A lock belongs to the list that it is compiled from, so the requirement
files of an experiment count as one: taken together, or left alone.

The record says which version's template an experiment came from (`State.made`). For one without a
record, only files that are as a known version gave them are replaced. Code is never changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from .. import __version__
from ..model import naming
from ..sync import engine, three_way_text, transaction
from ..sync.render.generated_paths import dev_container_of
from ..sync.state_file import State
from ..sync.transaction import Change
from ..util import files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import Step, StepTaker, Write
from ..workspace import loader
from .create import TEMPLATE

# What each version's template gave, for the versions before this one and this one.
KNOWN = TEMPLATE.parent / "experiment-texts.json"
BY_LINES = ("environment/Dockerfile", "pytest.ini", ".amlignore")


@dataclass(frozen=True, slots=True)
class TemplateTexts:
    """What a version's template has for an experiment.

    `texts`: path -> text of the files that are merged by lines. `digests`: path -> sha256 of the
    requirement files.
    """

    texts: Mapping[str, str]
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ExperimentsPlan:
    """What an upgrade of the experiments changes, and what it leaves to the person (`notes`).

    `made`: the record afterwards; see `State.made`.
    """

    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    made: Mapping[str, str]

    @property
    def steps(self) -> Iterator[Step]:
        for change in self.changes:
            yield Write(change.path, change.after or "")

    def recorded(self, state: State) -> State:
        return replace(state, made={**state.made, **self.made})


def plan_experiments(root: Path) -> ExperimentsPlan:
    """Compare the experiments with the template of this version; nothing is written."""
    with files.confining(root):
        state = transaction.parse_state(transaction.state_text(root))
        known = known_texts()
        plans = [
            _Experiment(root, name, state.made.get(dev_container_of(name), ""), known).plan()
            for name in loader.open_workspace(root).experiments
        ]
    return ExperimentsPlan(
        tuple(change for plan in plans for change in plan.changes),
        tuple(note for plan in plans for note in plan.notes),
        {path: version for plan in plans for path, version in plan.made.items()},
    )


def carry_out(current: StepTaker) -> ExperimentsPlan:
    """Plan it on the files as they are, and write it as a part of a change."""
    plan = plan_experiments(current.root)
    current.carry_out(plan.steps)
    if plan.made:
        engine.edit_within(current, lambda state: (plan.recorded(state), ()))
    return plan


def known_texts() -> dict[str, TemplateTexts]:
    """By version, this one included."""
    recorded = json.loads(KNOWN.read_text(encoding="utf-8"))
    known = {
        version: TemplateTexts(item["texts"], item["digests"]) for version, item in recorded.items()
    }
    return known | {__version__: own_texts()}


def own_texts() -> TemplateTexts:
    """What this version's template has."""
    return TemplateTexts(
        {path: _template(path) for path in BY_LINES},
        {path: _digest(_template(path)) for path in _requirement_files()},
    )


def _requirement_files() -> list[str]:
    return sorted(f"environment/{p.name}" for p in TEMPLATE.glob("environment/requirements*"))


def _template(path: str) -> str:
    return three_way_text.normalized((TEMPLATE / path).read_text(encoding="utf-8"))


def _digest(text: str) -> str:
    return hashlib.sha256(three_way_text.normalized(text).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Experiment:
    """`version`: whose template it came from; "" where no record says so."""

    root: Path
    name: str
    version: str
    known: Mapping[str, TemplateTexts]

    def plan(self) -> ExperimentsPlan:
        changes: list[Change] = []
        notes: list[str] = []
        for path in BY_LINES:
            try:
                changes += self._by_lines(path)
            except UserError as error:
                notes.append(error.report())
        try:
            changes += self._requirements()
        except UserError as error:
            notes.append(error.report())
        own = dev_container_of(self.name)
        is_done = not notes and self.version != __version__
        is_known = is_done and (self.version in self.known or self._is_as_given(changes))
        return ExperimentsPlan(tuple(changes), tuple(notes), {own: __version__} if is_known else {})

    def _is_as_given(self, changes: list[Change]) -> bool:
        """Whether all of it is as the template of this version has it, after these changes."""
        after = {change.path: change.after for change in changes}
        texts = {path: self._own(path) for path in BY_LINES}
        texts |= {path: _template(path) for path in _requirement_files()}
        return all(
            three_way_text.normalized(after.get(self._place(path)) or self._read(path) or "")
            == text
            for path, text in texts.items()
        )

    def _by_lines(self, path: str) -> Iterator[Change]:
        place, theirs = self._place(path), self._own(path)
        yours = self._read(path)
        base = self._base(path, yours)
        if base is None and self.version not in self.known:
            return  # not the template's, as far as is known
        merged = three_way_text.merge(yours, base, theirs)
        if merged.conflicts:
            raise UserError(
                "yours and the template's newer text changed the same lines, so yours stays",
                code="template-conflict",
                where=f"{place}:{merged.conflicts[0].line}",
                hint=f"Compare it with {TEMPLATE / path}",
            )
        if merged.text is not None and merged.text != yours:
            yield Change(place, yours, merged.text)

    def _base(self, path: str, yours: str | None) -> str | None:
        """What the template gave; without a record, only for a file that is as it was given."""
        if self.version in self.known:
            text = self.known[self.version].texts.get(path)
            return None if text is None else self._filled(path, text)
        if yours is None:
            return None
        plain = three_way_text.normalized(yours)
        given = (self._filled(path, known.texts.get(path, "")) for known in self.known.values())
        return next((text for text in given if text == plain), None)

    def _requirements(self) -> Iterator[Change]:
        """All of them, or none."""
        yours = {path: self._read(path) for path in _requirement_files()}
        digests = {path: _digest(text) for path, text in yours.items() if text is not None}
        newer = self.known[__version__].digests
        if digests == newer:
            return
        bases = [self.known[self.version]] if self.version in self.known else self.known.values()
        if any(digests == base.digests for base in bases):
            for path in newer:
                if digests.get(path) != newer[path]:
                    text = yours[path]
                    after = (
                        _template(path)
                        if text is None
                        else three_way_text.like(text, _template(path))
                    )
                    yield Change(self._place(path), text, after)
        elif self.version in self.known and self.known[self.version].digests != newer:
            raise UserError(
                "the requirement files are yours, and stay; the template has newer ones",
                code="template-conflict",
                where=self._place("environment"),
                hint=f"Take what you want of {TEMPLATE / 'environment'}, and compile the lock again",
            )

    def _read(self, path: str) -> str | None:
        place = self.root / self._place(path)
        if place.is_symlink() or place.parent.is_symlink():
            raise UserError(
                "this is a link, so it stays as it is",
                code="template-conflict",
                where=self._place(path),
                hint="Update what it leads to yourself",
            )
        try:
            return files.read_own(place, plain=True)
        except UserError as error:  # a folder, or no text
            error.where = self._place(path)
            raise

    def _own(self, path: str) -> str:
        return self._filled(path, self.known[__version__].texts[path])

    def _filled(self, path: str, text: str) -> str:
        return naming.filled_in(path, text, self.name)

    def _place(self, path: str) -> str:
        return f"src/{self.name}/{path}"
