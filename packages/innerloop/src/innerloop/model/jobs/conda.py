"""A conda environment file, and the packages of it that pip can install.

Source: conda's "environment.yml" (name, channels, dependencies; a `pip:` list among them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...util import yaml_text
from ...util.errors import UserError
from ...util.position import Position

# Conda packages with another name on the Python package index.
_RENAMED = {
    "pytorch": "torch", "pytorch-cpu": "torch", "pytorch-gpu": "torch", "py-xgboost": "xgboost",
    "tensorflow-gpu": "tensorflow", "opencv": "opencv-python-headless", "pytables": "tables",
    "matplotlib-base": "matplotlib", "dask-core": "dask", "python-dotenv": "python-dotenv",
}  # fmt: skip
# Not Python packages: the interpreter, its tools, system libraries.
_NOT_PYTHON = re.compile(
    r"(python|pip|setuptools|wheel|cudatoolkit|cudnn|cuda|pytorch-cuda|cpuonly|nodejs|openmpi|"
    r"mpich|gcc|gxx|cmake|make|git|openjdk|r-base|r-.*|lib.*|_.*|mkl|ca-certificates|openssl)"
)
_SPEC = re.compile(r"(?:[\w.-]+::)?(?P<name>[\w.-]+)\s*(?P<version>[<>=!~].*)?")


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
    python, requirements, left_out = "", [], []
    for dependency in dependencies:
        if isinstance(dependency, dict):
            pip_packages = dependency.get("pip") or []
            if not isinstance(pip_packages, list):
                what = "the conda file's pip packages are not a list"
                raise UserError(what, code="conda-file-invalid", where=where, hint=_HINT)
            requirements += [str(line) for line in pip_packages]
            continue
        spec = str(dependency)
        match = _SPEC.fullmatch(spec.strip())
        package, version = (match["name"], match["version"] or "") if match else (spec, "")
        if package == "python":
            python = _minor(version)
        if match is None or _NOT_PYTHON.fullmatch(package.lower()):
            left_out += [] if package in ("python", "pip") else [spec]
        else:
            requirements.append(_RENAMED.get(package, package) + _as_pip(version))
    return CondaFile(python, tuple(requirements), tuple(left_out), text or _dump(document))


_HINT = "Write dependencies: and a list of packages"


def _minor(version: str) -> str:
    match = re.search(r"\d+\.\d+", version)
    return match[0] if match else ""


def _as_pip(version: str) -> str:
    """Conda's `=1.2` means 1.2.*, and `==1.2` exactly 1.2; a build string is dropped."""
    text = version.strip()
    if not re.match(r"=(?!=)", text):
        return text.replace(" ", "")
    number = text[1:].strip().split("=")[0]
    return f"=={number}" if number.endswith("*") else f"=={number}.*"


def _dump(document: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(dict(document), sort_keys=False))
