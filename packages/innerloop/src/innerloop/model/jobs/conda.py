"""A conda environment file, and the packages of it that pip can install.

Source: conda's "environment.yml" (name, channels, dependencies; a `pip:` list among them).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from ...util import yaml_text
from ...util.errors import UserError
from ...util.jsonc import BOM
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ...util.quick_dataclasses import dataclass

# The text of a file by its path relative to the workspace's root; None without such a file.
Read = Callable[[str], str | None]
# The constraints of a conda file's pip packages, beside the requirements.
CONSTRAINTS = "constraints.txt"
# `-r` in a file that a `-r` names, and so on.
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class CondaFile:
    """`python`: the version it asks for ("3.9"), "" for any.

    `requirements`: what pip can install, conda's packages under their names on the package index,
    with the lines of the files that `-r` names in their place; `constraints`: the lines of the files
    that `-c` names, for pip in a file of their own. `left_out`: what pip cannot install. `variables`
    are set when the environment is used. `text`: a file for conda that refers to no other file than
    `CONSTRAINTS`.
    """

    python: str
    requirements: tuple[str, ...]
    left_out: tuple[str, ...]
    text: str
    constraints: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def parse(text: str, name: str, read: Read | None = None) -> CondaFile:
    """Raises `UserError` if the text is not a conda environment file.

    `read` is for the files that it refers to; without it these references stay.
    """
    document = yaml_text.parse(text, name).value
    if not isinstance(document, dict):
        raise UserError(
            "not a conda environment file: expected a YAML mapping",
            code="conda-file-invalid",
            where=Position(name, 1, 1),
            hint=_HINT,
        )
    return of(document, name, text, folder=posixpath.dirname(name), read=read)


def of(
    document: Mapping[str, Any],
    where: Position | str,
    text: str = "",
    *,
    folder: str = "",
    read: Read | None = None,
) -> CondaFile:
    """The conda file that is inline in a job file, at `where`; its paths are relative to `folder`."""
    dependencies = document.get("dependencies") or []
    if not isinstance(dependencies, list):
        raise UserError(
            "the conda file's dependencies are not a list",
            code="conda-file-invalid",
            where=where,
            hint=_HINT,
        )
    from .conda_spec import parse_spec  # here, since most jobs have no conda file

    python, left_out = "", []
    requirements: list[str] = []
    pip = _PipLines(read, where)
    as_written: list[Any] = []
    for dependency in dependencies:
        as_written.append(dependency)
        if isinstance(dependency, dict):
            pip_packages = dependency.get("pip") or []
            if not isinstance(pip_packages, list):
                what = "the conda file's pip packages are not a list"
                raise UserError(what, code="conda-file-invalid", where=where, hint=_HINT)
            lines = [line for item in pip_packages for line in pip.expanded(str(item), folder)]
            requirements += lines
            as_written[-1] = {**dependency, "pip": lines}
            continue
        spec = parse_spec(str(dependency))
        requirement = spec.requirement() if spec is not None else None
        if spec is not None and spec.name == "python":
            python = spec.python()
        elif spec is not None and spec.name == "pip":
            continue
        elif spec is None or requirement is None or not spec.is_python_package:
            left_out.append(str(dependency))
        else:
            requirements.append(requirement)
    if pip.constraints:
        as_written.append({"pip": [f"-c {CONSTRAINTS}"]})
        as_written = _joined(as_written)
    if pip.has_expanded:
        text = _dump({**document, "dependencies": as_written})
    return CondaFile(
        python=python,
        requirements=tuple(requirements),
        left_out=tuple(left_out),
        text=text or _dump(document),
        constraints=tuple(pip.constraints),
        variables=_variables(document, where),
    )


_HINT = "Write dependencies: and a list of packages"
_VARIABLES_HINT = "Write variables: and a mapping of names to texts"


def _variables(document: Mapping[str, Any], where: Position | str) -> dict[str, str]:
    """What conda sets when it activates the environment."""
    variables = document.get("variables") or {}
    usable = isinstance(variables, dict) and all(
        isinstance(name, str)
        and re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII)
        and isinstance(value, (str, int, float))
        and "\0" not in str(value)
        for name, value in variables.items()
    )
    if not usable:
        raise UserError(
            "the conda file's variables are not names with values",
            code="conda-file-invalid",
            where=where,
            hint=_VARIABLES_HINT,
        )
    return {name: str(value) for name, value in variables.items()}


def _joined(dependencies: list[Any]) -> list[Any]:
    """The dependencies with one `pip:` list: conda reads no second one."""
    pip = [line for item in dependencies if isinstance(item, dict) for line in item.get("pip", ())]
    return [*(item for item in dependencies if not isinstance(item, dict)), {"pip": pip}]


def requirement_lines(
    path: str, read: Read, where: Position | str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines of a requirements file, with those of the files that it names, and its constraints.

    UserError at `where` for a file that does not exist or is not in the workspace.
    """
    pip = _PipLines(read, where)
    lines = pip.expanded(f"-r {posixpath.basename(path)}", posixpath.dirname(path))
    return tuple(lines), tuple(pip.constraints)


_REFERENCE = late_pattern(
    r"(?P<option>-r|-c|--requirement|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(?P<path>\S.*)"
)


@dataclass
class _PipLines:
    """The lines of a `pip:` list, and of the files that it names.

    Source: pip's "Requirements File Format": a path is relative to the file that names it.
    """

    read: Read | None
    where: Position | str
    constraints: list[str] = field(default_factory=list)
    has_expanded: bool = False
    _open: list[str] = field(default_factory=list)

    def expanded(self, line: str, folder: str) -> list[str]:
        """The line, or those of the file that it names."""
        reference = _REFERENCE.fullmatch(re.sub(r"\s+#.*$", "", line).strip())
        if self.read is None or reference is None or "://" in reference["path"]:
            return [line]
        self.has_expanded = True
        path = posixpath.normpath(posixpath.join(folder, reference["path"].strip("\"'")))
        if path in self._open or len(self._open) > _DEEPEST:
            return []  # pip reads such a file once, too
        text = None if posixpath.isabs(path) or path.startswith("..") else self.read(path)
        if text is None:
            raise UserError(
                f"there is no {path} in the workspace, which {line.strip()} names",
                code="conda-file-missing",
                where=self.where,
                hint="Correct the path: it is relative to the file that names it",
            )
        self._open.append(path)
        inner = posixpath.dirname(path)
        lines = [found for one in _lines(text) for found in self.expanded(one, inner)]
        self._open.pop()
        if reference["option"] in ("-c", "--constraint"):
            self.constraints += lines
            return []
        return lines


def _lines(text: str) -> list[str]:
    """The lines of a requirements file: continued ones joined, without comments."""
    lines = (
        re.sub(r"(^|\s+)#.*$", "", line).strip()
        for line in re.sub(r"\\\r?\n", " ", text.removeprefix(BOM)).splitlines()
    )
    return [line for line in lines if line]


def _dump(document: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(dict(document), sort_keys=False))
