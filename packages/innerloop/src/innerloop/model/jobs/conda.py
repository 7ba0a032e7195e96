"""A conda environment file, read for what pip can install of it.

Source: conda's "environment.yml" (name, channels, dependencies; a `pip:` list among them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...util import yaml_text
from ...util.errors import UserError

# Conda's names of packages that are called otherwise on the Python package index.
_RENAMED = {
    "pytorch": "torch", "pytorch-cpu": "torch", "pytorch-gpu": "torch", "py-xgboost": "xgboost",
    "tensorflow-gpu": "tensorflow", "opencv": "opencv-python-headless", "pytables": "tables",
    "matplotlib-base": "matplotlib", "dask-core": "dask", "python-dotenv": "python-dotenv",
}  # fmt: skip
# What is no Python package: the interpreter, its tools, libraries of the system.
_NOT_PYTHON = re.compile(
    r"(python|pip|setuptools|wheel|cudatoolkit|cudnn|cuda|pytorch-cuda|cpuonly|nodejs|openmpi|"
    r"mpich|gcc|gxx|cmake|make|git|openjdk|r-base|r-.*|lib.*|_.*|mkl|ca-certificates|openssl)"
)
_SPEC = re.compile(r"(?:[\w.-]+::)?(?P<name>[\w.-]+)\s*(?P<version>[<>=!~].*)?")


@dataclass(frozen=True, slots=True)
class CondaFile:
    """`python`: the version it asks for ("3.9"), "" when it is silent. `requirements`: what pip
    can install, the packages of conda under their names on the package index. `left_out`: what is
    no Python package. `text`: the file itself."""

    python: str
    requirements: tuple[str, ...]
    left_out: tuple[str, ...]
    text: str


def parse(text: str, name: str) -> CondaFile:
    """A `Mistake` when the text is no conda environment file."""
    document = yaml_text.parse(text, name).value
    if not isinstance(document, dict):
        raise UserError("this is no conda environment file", where=f"{name}:1", hint=_MEND)
    return of(document, name, text)


def of(document: Mapping[str, Any], where: str, text: str = "") -> CondaFile:
    """The same from what stands inline in a job file."""
    listed = document.get("dependencies") or []
    if not isinstance(listed, list):
        raise UserError("the conda file's dependencies are no list", where=where, hint=_MEND)
    python, requirements, left_out = "", [], []
    for one in listed:
        if isinstance(one, dict):
            given = one.get("pip") or []
            if not isinstance(given, list):
                what = "the conda file's packages for pip are no list"
                raise UserError(what, where=where, hint=_MEND)
            requirements += [str(line) for line in given]
            continue
        found = _SPEC.fullmatch(str(one).strip())
        package, version = (found["name"], found["version"] or "") if found else (str(one), "")
        if package == "python":
            python = _minor(version)
        if found is None or _NOT_PYTHON.fullmatch(package.lower()):
            left_out += [] if package in ("python", "pip") else [str(one)]
        else:
            requirements.append(_RENAMED.get(package, package) + _as_pip(version))
    return CondaFile(python, tuple(requirements), tuple(left_out), text or _dump(document))


_MEND = "Write dependencies: and a list of packages"


def _minor(version: str) -> str:
    found = re.search(r"\d+\.\d+", version)
    return found[0] if found else ""


def _as_pip(version: str) -> str:
    """`=1.2` is any 1.2 for conda (1.2.*), `==1.2` is that one; a build string is conda's own."""
    text = version.strip()
    if not re.match(r"=(?!=)", text):
        return text.replace(" ", "")
    number = text[1:].strip().split("=")[0]
    return f"=={number}" if number.endswith("*") else f"=={number}.*"


def _dump(document: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(dict(document), sort_keys=False))
