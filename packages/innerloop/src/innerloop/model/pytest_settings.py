"""Pytest's settings of an experiment, and the arguments that keep to them.

An experiment is complete in itself: settings and conftest.py of the workspace around it are for the
workspace's own tests. Nothing here reads the disk.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..util.jsonc import BOM
from ..util.quick_dataclasses import dataclass

# The names of pytest's settings, in its order. The first of them are settings whatever is in them.
# Source: pytest 9's documentation, "Configuration", and its `locate_config`.
WHOLE_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
FILES = (*WHOLE_FILES, "pyproject.toml", "tox.ini", "setup.cfg")
# No settings: pytest reads no file with such a name, on no system, and looks for no other one.
NO_SETTINGS = "/dev/null"
# The options of pytest and of its usual plugins whose next word is their value.
_WITH_VALUE = {
    *("-k", "-m", "-p", "-c", "-o", "-n", "-r", "-W", "--rootdir", "--confcutdir", "--maxfail"),
    *("--ignore", "--ignore-glob", "--deselect", "--basetemp", "--durations", "--durations-min"),
    *(
        "--import-mode",
        "--tb",
        "--color",
        "--capture",
        "--show-capture",
        "--junit-xml",
        "--junitxml",
    ),
    *("--junit-prefix", "--log-level", "--log-file", "--log-cli-level", "--override-ini", "--dist"),
    *("--config-file", "--cov-report", "--cov-config", "--cov-context", "--cov-fail-under"),
    *("--numprocesses", "--maxprocesses", "--timeout", "--pythonwarnings", "--verbosity", "--tx"),
}


@dataclass(frozen=True, slots=True)
class PytestSettings:
    """The settings file of an experiment, relative to its folder, and its `testpaths`."""

    file: str
    test_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PytestLayout:
    """What pytest finds of an experiment.

    `settings` is its settings file ("" for none), `own_paths` what it collects of the experiment when
    it is told to collect other tests as well. Both are relative to the experiment's folder.

    Pytest imports modules by their name, so one process runs no two modules of one name. `groups` are
    the tests of shared code, relative to the root, by the process that can run them: the first ones run
    with the experiment's own, and each further group alone. `can_import_by_path`: one process can run
    them all if it imports by path, since no test imports a module that lies beside it.

    `top` is the folder, relative to the experiment's, above which no settings and no conftest.py count.
    `is_elsewhere`: its tests are not in its folder, so pytest is always told where they are.
    """

    settings: str = ""
    own_paths: tuple[str, ...] = (".",)
    groups: tuple[tuple[str, ...], ...] = ((),)
    can_import_by_path: bool = False
    top: str = "."
    is_elsewhere: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments that keep pytest, in the experiment's folder, to the experiment's settings.

        Without them it takes the first settings that it finds in the folders above, and each
        conftest.py there.
        """
        return ("-c", self.settings or NO_SETTINGS, "--confcutdir", self.top)


# An experiment without settings of its own, and without shared code that has tests.
NO_PYTEST = PytestLayout()


def find(names: Iterable[str], read: Callable[[str], str]) -> PytestSettings | None:
    """The settings among the files of a folder; `read` has the text of a file. None without any."""
    present = set(names)
    for name in FILES:
        if name in present and (settings := _parse(name, read(name))) is not None:
            return settings
    return None


def _parse(name: str, text: str) -> PytestSettings | None:
    """The settings in a file; None if it is a file for other programs only.

    A file with a syntax error is taken: pytest says what is wrong with it.
    """
    is_whole = name in WHOLE_FILES
    try:
        table = _toml(name, text) if name.endswith(".toml") else _ini(name, text)
    except (ValueError, RecursionError):
        return PytestSettings(name) if is_whole or "pytest" in text else None
    if table is None:
        return PytestSettings(name) if is_whole else None
    written = table.get("testpaths", ())
    paths = _words(written) if isinstance(written, str) else written
    usable = isinstance(paths, (list, tuple)) and all(isinstance(path, str) for path in paths)
    return PytestSettings(name, tuple(paths) if usable else ())


def _toml(name: str, text: str) -> dict[str, Any] | None:
    from ..util import toml_text

    table: Any = toml_text.parse(text)
    if name != "pyproject.toml":
        table = table.get("pytest")
        return table if isinstance(table, dict) else None
    tool = table.get("tool")
    own = tool.get("pytest") if isinstance(tool, dict) else None
    if not isinstance(own, dict):
        return None
    older = own.get("ini_options")
    return older if isinstance(older, dict) else own


def _ini(name: str, text: str) -> dict[str, Any] | None:
    import configparser  # here: most workspaces have no such file

    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string(text.removeprefix(BOM))
    except configparser.Error as error:
        raise ValueError(str(error)) from error
    section = "tool:pytest" if name == "setup.cfg" else "pytest"
    return dict(parser[section]) if parser.has_section(section) else None


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def names_a_path(words: Sequence[str], exists: Callable[[str], bool]) -> bool:
    """Whether arguments for pytest name a file or a folder of tests.

    The value of an option is none: `-k tests` selects tests by their name.
    """
    before = ""
    for word in words:
        is_value = before in _WITH_VALUE
        before = word
        if not is_value and not word.startswith("-") and exists(word.partition("::")[0]):
            return True
    return False
