"""Reads what pytest finds of an experiment: its settings, and the names of its tests' modules."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from ..model import pytest_settings
from ..model.experiment_paths import ENVIRONMENT, SOURCES
from ..model.pytest_settings import PytestLayout, PytestSettings
from ..util import files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass

# Folders that pytest does not enter (its default `norecursedirs`), and those that hold no tests.
_SKIPPED = {
    *("outputs", "logs", "__pycache__", "node_modules", "venv", "build", "dist", ENVIRONMENT),
}
# The names that mean something to Python or to pytest, and are no clash.
_SPECIAL = {"__init__", "conftest"}
# So many folders of an experiment are looked through.
MOST_FOLDERS = 2000


def layout(
    root: Path, folder: str, names: Sequence[str], common_tests: Sequence[str], tests: str = ""
) -> PytestLayout:
    """What pytest finds of the experiment in a folder, which has files of these names.

    `common_tests` are the tests of its shared code, `tests` its own if they are declared to be
    elsewhere. All paths are relative to the root.
    """
    if tests:
        return _elsewhere(root, folder, tests, common_tests)
    whole = next((name for name in pytest_settings.WHOLE_FILES if name in names), "")
    if whole and not common_tests:
        return PytestLayout(whole)  # nothing that needs a look into a file
    settings = pytest_settings.find(names, lambda name: _text(root / folder / name))
    file = settings.file if settings else ""
    if not common_tests:
        return PytestLayout(file)
    own = _Modules()
    own.where.update({name[:-3]: root / folder for name in names if name.endswith(".py")})
    for place in _folders_with_tests(root / folder):
        own.add(place, root / folder)
    shared = {path: _modules_of(root, path) for path in common_tests}
    return PytestLayout(
        settings=file,
        own_paths=_own_paths(root / folder, settings),
        groups=_groups(own, shared),
        can_import_by_path=not any(part.has_others for part in (own, *shared.values())),
    )


def _elsewhere(root: Path, folder: str, tests: str, common_tests: Sequence[str]) -> PytestLayout:
    """Declared tests keep the settings that they have without this tool: the nearest above them."""
    above = tests if (root / tests).is_dir() else os.path.dirname(tests)
    settings = ""
    while not settings:
        found = _settings_in(root / above)
        settings = os.path.join(above, found.file) if found else ""
        if not above:
            break
        above = os.path.dirname(above)
    own = _Modules()
    for place in _folders_with_tests(root / tests):
        own.add(place, root)
    shared = {path: _modules_of(root, path) for path in common_tests}
    return PytestLayout(
        settings=_relative(settings, folder) if settings else "",
        own_paths=(_relative(tests, folder),),
        groups=_groups(own, shared),
        can_import_by_path=not any(part.has_others for part in (own, *shared.values())),
        top=_relative(os.path.dirname(settings) or ".", folder),
        is_elsewhere=True,
    )


def _settings_in(folder: Path) -> PytestSettings | None:
    names = [name for name in pytest_settings.FILES if (folder / name).is_file()]
    return pytest_settings.find(names, lambda name: _text(folder / name))


def _relative(path: str, folder: str) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")


def _groups(own: _Modules, shared: Mapping[str, _Modules]) -> tuple[tuple[str, ...], ...]:
    """The tests of shared code by process. Each is in the first one whose modules it fits."""
    groups: list[tuple[dict[str, Path], list[str]]] = [(dict(own.where), [])]
    for path, modules in shared.items():
        fitting = (group for group in groups if _fits(modules.where, group[0]))
        if (group := next(fitting, None)) is None:
            group = ({}, [])
            groups.append(group)
        group[0].update(modules.where)
        group[1].append(path)
    return tuple(tuple(paths) for _, paths in groups)


def _fits(modules: Mapping[str, Path], others: Mapping[str, Path]) -> bool:
    return all(others.get(name, folder) == folder for name, folder in modules.items())


def _modules_of(root: Path, path: str) -> _Modules:
    """The modules of tests of shared code, a file or a folder, and of what lies beside them."""
    modules = _Modules()
    if (root / path).is_dir():
        for place in _folders_with_tests(root / path):
            modules.add(place, root / SOURCES)
    else:
        modules.add((root / path).parent, root / SOURCES, only=(root / path).stem)
    return modules


def _text(path: Path) -> str:
    try:
        return files.read_text(path) or ""
    except UserError:
        return ""  # pytest says what is wrong with it


def _own_paths(folder: Path, settings: PytestSettings | None) -> tuple[str, ...]:
    """The `testpaths` that exist, with their patterns expanded as pytest does; without any, "."."""
    found: dict[str, None] = {}
    for pattern in settings.test_paths if settings else ():
        if not os.path.isabs(pattern) and not pattern.startswith("-"):
            matches = sorted(glob.glob(pattern, root_dir=folder, recursive=True))
            found.update(dict.fromkeys(match.replace("\\", "/") for match in matches))
    return tuple(found) or (".",)


@dataclass(slots=True)
class _Modules:
    """The names by which tests and what lies beside them are imported, each with its folder.

    `has_others`: there are packages of tests, or modules beside them that tests may import.
    """

    where: dict[str, Path] = field(default_factory=dict)
    has_others: bool = False

    def add(self, folder: Path, above: Path, *, only: str | None = None) -> None:
        """Add the modules of a folder below `above`; of its tests all, or `only` this one."""
        if (folder / "__init__.py").is_file():
            package = folder
            while package.parent != above and (package.parent / "__init__.py").is_file():
                package = package.parent
            self.where[package.name] = package
            self.has_others = True
            return
        for stem in _stems(folder):
            if only is None or stem == only or not _is_test(stem):
                self.where[stem] = folder
                self.has_others = self.has_others or not _is_test(stem)


def _folders_with_tests(folder: Path) -> Iterator[Path]:
    """The folders at and below a folder that hold tests; links are not followed."""
    for number, (place, folders, names) in enumerate(os.walk(folder)):
        folders[:] = [name for name in folders if name not in _SKIPPED and name[0] != "."]
        if any(name.endswith(".py") and _is_test(name[:-3]) for name in names):
            yield Path(place)
        if number >= MOST_FOLDERS:
            return


def _stems(folder: Path) -> list[str]:
    try:
        stems = [name[:-3] for name in os.listdir(folder) if name.endswith(".py")]
    except OSError:
        return []
    return [stem for stem in stems if stem not in _SPECIAL]


def _is_test(stem: str) -> bool:
    """Whether pytest takes a module of that name for tests, by its default `python_files`."""
    return stem.startswith("test_") or stem.endswith("_test")
