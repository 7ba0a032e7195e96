"""A conda environment file, and the packages of it that pip can install.

Source: conda's "environment.yml" (name, channels, dependencies; a `pip:` list among them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...util import yaml_text
from ...util.errors import UserError
from ...util.position import Position


@dataclass(frozen=True, slots=True)
class CondaFile:
    """`python`: the version it asks for ("3.9"), "" for any.

    `requirements`: what pip can install, conda's packages under their names on the package index.
    `left_out`: what pip cannot install. `text`: the file itself.
    """

    python: str
    requirements: tuple[str, ...]
    left_out: tuple[str, ...]
    text: str


def parse(text: str, name: str) -> CondaFile:
    """Raises `UserError` if the text is not a conda environment file."""
    document = yaml_text.parse(text, name).value
    if not isinstance(document, dict):
        raise UserError(
            "not a conda environment file: expected a YAML mapping",
            code="conda-file-invalid",
            where=Position(name, 1, 1),
            hint=_HINT,
        )
    return of(document, name, text)


def of(document: Mapping[str, Any], where: Position | str, text: str = "") -> CondaFile:
    """The conda file that is inline in a job file, at `where`."""
    dependencies = document.get("dependencies") or []
    if not isinstance(dependencies, list):
        raise UserError(
            "the conda file's dependencies are not a list",
            code="conda-file-invalid",
            where=where,
            hint=_HINT,
        )
    from .conda_spec import parse_spec  # here, since most jobs have no conda file

    python, requirements, left_out = "", [], []
    for dependency in dependencies:
        if isinstance(dependency, dict):
            pip_packages = dependency.get("pip") or []
            if not isinstance(pip_packages, list):
                what = "the conda file's pip packages are not a list"
                raise UserError(what, code="conda-file-invalid", where=where, hint=_HINT)
            requirements += [str(line) for line in pip_packages]
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
    return CondaFile(python, tuple(requirements), tuple(left_out), text or _dump(document))


_HINT = "Write dependencies: and a list of packages"


def _dump(document: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(dict(document), sort_keys=False))
