"""Which formatter a team uses for its Python code, from the texts that say so. Pure.

Source: the documentation of pre-commit (`.pre-commit-config.yaml`), of black and isort
(pyproject.toml), of Ruff ("Configuring Ruff"; its formatter is the hook `ruff-format` and the table
`format`), of yapf and autopep8 (setup.cfg, tox.ini).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass

FormatterKind = Literal["black", "ruff", "other", "none"]

PYPROJECT = "pyproject.toml"
HOOKS = (".pre-commit-config.yaml", ".pre-commit-config.yml")
RUFF = (".ruff.toml", "ruff.toml")  # the first one wins, as Ruff has it
INI = ("setup.cfg", "tox.ini", ".style.yapf", ".isort.cfg")
# The files at the root of a repository that may name its formatter.
FILES = (*HOOKS, *RUFF, PYPROJECT, *INI)
_BY_HOOK: Mapping[str, FormatterKind] = {
    "ruff-format": "ruff",
    "black": "black",
    "black-jupyter": "black",
    "yapf": "other",
    "autopep8": "other",
}


@dataclass(frozen=True, slots=True)
class TeamFormatter:
    """`name` is the program's, "" for none; `where` is the file that names it, "" for none.

    `sorts`: isort orders the imports before it. kind "other" is a program that `loop format` does
    not run.
    """

    kind: FormatterKind
    name: str = ""
    where: str = ""
    sorts: bool = False


# Of a workspace that `init` made, and whose team says nothing else.
DEFAULT = TeamFormatter("black", "black", "", sorts=True)
NONE = TeamFormatter("none")


def of(texts: Mapping[str, str], *, is_adopted: bool) -> TeamFormatter:
    """The formatter that the files name, by what runs first: hooks, Ruff's settings, black's.

    Without any, that of a new workspace, or none in an adopted repository. A file that cannot be
    read says nothing.
    """
    hooks = dict(_hooks(texts))
    tools = _tools(texts)
    sorts = "isort" in hooks or "isort" in tools
    found = next(_candidates(hooks, tools), None)
    if found is None:
        return NONE if is_adopted else DEFAULT
    name, where = found
    kind: FormatterKind = _BY_HOOK.get(name, "other") if name != "ruff" else "ruff"
    # A workspace that `init` made has isort beside black, whatever its settings say.
    sorts = sorts or (kind == "black" and not is_adopted)
    return TeamFormatter(kind, name.removesuffix("-format"), where, sorts)


def _candidates(hooks: Mapping[str, str], tools: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from ((name, where) for name, where in hooks.items() if name in _BY_HOOK)
    yield from (
        (name, tools[key])
        for key, name in (("ruff.format", "ruff"), ("black", "black"), ("ruff", "ruff"))
        if key in tools
    )
    yield from ((name, tools[name]) for name in ("yapf", "autopep8") if name in tools)


def _hooks(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each hook of pre-commit, and the file that names it."""
    from ..util import yaml_text

    for file in HOOKS:
        try:
            document = yaml_text.parse(texts.get(file, ""), file).value
        except UserError:
            continue
        repos = document.get("repos") if isinstance(document, dict) else None
        for repo in repos if isinstance(repos, list) else ():
            hooks = repo.get("hooks") if isinstance(repo, dict) else None
            for hook in hooks if isinstance(hooks, list) else ():
                if isinstance(hook, dict) and isinstance(hook.get("id"), str):
                    yield hook["id"], file


def _tools(texts: Mapping[str, str]) -> dict[str, str]:
    """The tools that have settings, and the file with them; "ruff.format" for its formatter."""
    found: dict[str, str] = {}
    table = _toml(texts.get(PYPROJECT, "")).get("tool", {})
    tables = table if isinstance(table, dict) else {}
    for file in RUFF:
        if file in texts:
            tables, found = {**tables, "ruff": _toml(texts[file])}, {"ruff": file}
            break
    for name in ("black", "isort", "ruff", "yapf", "autopep8"):
        if isinstance(tables.get(name), dict):
            found.setdefault(name, PYPROJECT)
    if isinstance(tables.get("ruff"), dict) and "format" in tables["ruff"]:
        found["ruff.format"] = found["ruff"]
    for file in INI:
        for section in _sections(texts.get(file, "")):
            name = {"style": "yapf", "settings": "isort", "pycodestyle": ""}.get(section, section)
            if name in ("yapf", "autopep8", "isort"):
                found.setdefault(name, file)
    return found


def _toml(text: str) -> dict[str, Any]:
    from ..util import toml_text

    try:
        return toml_text.parse(text)
    except (ValueError, RecursionError):
        return {}


def _sections(text: str) -> list[str]:
    import configparser  # here: few workspaces have such a file

    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except (configparser.Error, ValueError):
        return []
    return [name.removeprefix("tool:") for name in parser.sections()]
