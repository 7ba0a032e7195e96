"""Copies of the code of detached runs, as it is when they are asked for.

They are in `.innerloop/queued/<run>/`. A link of the code is copied as what it leads to, so that shared
code is as it was, too; a link to data, or out of the workspace, goes on leading there.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path

from ..history import in_flight
from ..local import code_view
from ..local.tool_environments import is_environment
from ..model.environment import ResolvedEnvironment
from ..model.paths import is_within
from ..model.run import Ordered, Run
from ..util import files
from ..util.quick_dataclasses import dataclass
from ..workspace import folder_reader, read_states

# Folders at the root of a workspace that hold no code: what a run reads there are data.
_DATA = ("data", "outputs", ".innerloop")


@dataclass(slots=True)
class CodeCopies:
    """The copies of one detached run, or of the parts of one: each folder is copied once."""

    root: Path
    id: str
    made: dict[str, Path] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return in_flight.copies_of(self.root, self.id)

    def of(self, run: Run, ordered: Ordered) -> Run:
        """The run with its code copied, and with the requirements that its environment has now."""
        run = replace(run, environment=self._environment(run.environment))
        if run.code is None:
            return replace(run, ordered=ordered)
        copy = self._copy(run.code, code_view.texts_of(run))
        contents = dict(run.contents)
        if "" in contents:
            contents[""] = folder_reader.read(copy, read_states.NOT_READ)
        return replace(
            run,
            code=str(copy),
            links=tuple(link for link in run.links if not link.is_inside),
            contents=contents,
            ordered=replace(ordered, code=run.code),
        )

    def _environment(self, environment: ResolvedEnvironment) -> ResolvedEnvironment:
        folder = environment.folder
        if not folder or not (self.root / folder).is_dir():
            return environment
        copy = self._copy(str(self.root / folder), {})
        there = copy.relative_to(self.root).as_posix()
        requirements = environment.requirements
        if requirements:
            if is_within(requirements, folder):
                requirements = posixpath.join(there, posixpath.relpath(requirements, folder))
            elif (self.root / requirements).is_file():
                own = self._copy(str(self.root / requirements), {})
                requirements = own.relative_to(self.root).as_posix()
        return replace(environment, folder=there, requirements=requirements)

    def _copy(self, source: str, texts: Mapping[str, str]) -> Path:
        if source not in self.made:
            target = self.folder / str(len(self.made)) / os.path.basename(source)
            files.make_folder(target.parent)
            copier = _CodeCopier(os.path.realpath(self.root), texts)
            try:
                copier.copy(source, target, "")
            except OSError as error:
                raise files.cannot("copy", Path(source), error) from error
            self.made[source] = target
        return self.made[source]


@dataclass(slots=True)
class _CodeCopier:
    """`root` is the workspace's, without links; `texts` are links that are text files."""

    root: str
    texts: Mapping[str, str]
    above: list[str] = field(default_factory=list)

    def copy(self, source: str, target: Path, relative: str) -> None:
        """Copy a file or a folder. `relative`: its path in the code, with "/"."""
        source = self.texts.get(relative, source)
        real = os.path.realpath(source)
        if os.path.islink(source) and self._is_elsewhere(real):
            files.make_link(target, real)
            return
        try:
            mode = os.stat(source).st_mode
        except OSError:  # a broken link stays one
            if os.path.islink(source):
                files.make_link(target, os.readlink(source))
            return
        if stat.S_ISREG(mode):
            files.copy(Path(source), target)
        elif stat.S_ISDIR(mode) and real not in self.above:
            self._copy_folder(source, real, target, relative)

    def _copy_folder(self, source: str, real: str, target: Path, relative: str) -> None:
        files.make_folder(target)
        self.above.append(real)
        for name in sorted(os.listdir(source)):
            path = os.path.join(source, name)
            if real == self.root and name in _DATA:
                if name == "data" and os.path.isdir(path):
                    files.make_link(target / name, os.path.realpath(path))
                continue
            is_folder = os.path.isdir(path)
            if is_folder and (name in read_states.NOT_DATA or is_environment(Path(path))):
                continue
            if not relative and name == "outputs":
                continue
            self.copy(path, target / name, f"{relative}/{name}".lstrip("/"))
        self.above.pop()

    def _is_elsewhere(self, real: str) -> bool:
        """Whether what a link leads to is no code of this workspace."""
        if not is_within(real, self.root):
            return os.path.exists(real)
        inner = os.path.relpath(real, self.root).replace(os.sep, "/")
        return inner.split("/")[0] in _DATA
