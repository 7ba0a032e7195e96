"""Files of a workspace that describe what Azure ML keeps under a name: `azureml:NAME:VERSION`.

An environment, data, a model or a component has a YAML file with a name. Such a file can stand for
the name on this machine. Pure.

Source: CLI (v2) YAML schemas of environments, data, models and components; "azureml:NAME:VERSION"
and "azureml:NAME@LABEL" of its core syntax.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Literal

from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.position import Position
from ..util.quick_dataclasses import dataclass
from ..util.yaml_text import YamlText
from .jobs.file_kind import describe_file, is_component

AssetKind = Literal["environment", "data", "model", "component"]

_REFERENCE = late_pattern(
    r"azureml:(?P<name>[^:@/\s]+)"
    r"(?:(?::(?P<version>[^:@/\s]+)|@(?P<label>[^:@/\s]+))(?P<inner>/.*)?)?"
)
# Labels that Azure ML keeps itself; what another one names, only the service knows.
_OF_NEWEST = ("", "latest", "default")
_SCHEMA = late_pattern(r"/(?P<name>\w+)\.schema\.json$", re.IGNORECASE)
_DESCRIBED: dict[str, AssetKind] = {
    "an Azure ML environment": "environment",
    "Azure ML data": "data",
    "an Azure ML model": "model",
}


@dataclass(frozen=True, slots=True)
class AssetReference:
    """`version` or `label` is "" if the other is written; both are for a bare name.

    `inner` is a path in data: "/a.csv" of `azureml:mnist:1/a.csv`.
    """

    name: str
    version: str = ""
    label: str = ""
    inner: str = ""


@dataclass(frozen=True, slots=True)
class AssetFile:
    """A file that describes an asset.

    `version` is "" if the file has none. `path` is where data or a model are, as written. `file` is
    relative to the workspace's root, and `position` is that of the name in it.
    """

    kind: AssetKind
    name: str
    version: str
    file: str
    path: str = ""
    position: Position | None = field(default=None, compare=False)

    @property
    def reference(self) -> str:
        """How a job names it."""
        return f"azureml:{self.name}" + (f":{self.version}" if self.version else "@latest")


# The file of the workspace for a reference in a job file at a position; None if there is none.
# Raises `UserError` if no version fits, or if the choice is not clear.
Find = Callable[[AssetKind, str, str, "Position | str"], "AssetFile | None"]


def nothing(kind: AssetKind, reference: str, job_file: str, where: Position | str) -> None:
    """A `Find` for a job whose names stay those of Azure ML, as for a submission."""
    return


def reference_of(text: str) -> AssetReference | None:
    """The short form of a reference; None for any other text, such as that of a registry."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    return AssetReference(
        match["name"], match["version"] or "", match["label"] or "", match["inner"] or ""
    )


def asset_of(parsed: YamlText) -> AssetFile | None:
    """The asset that a file describes; None for a job, for another file and for one without a name."""
    document = parsed.value
    if not isinstance(document, dict):
        return None
    name, version = document.get("name"), document.get("version")
    kind = _kind(document)
    if kind is None or not isinstance(name, str) or reference_of(f"azureml:{name}") is None:
        return None
    path = document.get("path")
    return AssetFile(
        kind=kind,
        name=name,
        version="" if version is None or isinstance(version, (dict, list)) else str(version),
        file=parsed.name,
        path=path if isinstance(path, str) else "",
        position=parsed.where("name"),
    )


def _kind(document: dict[object, object]) -> AssetKind | None:
    found = _SCHEMA.search(str(document.get("$schema") or ""))
    named = found["name"].lower() if found else ""
    if named.endswith("component"):
        return "component"
    if described := describe_file(document):
        return _DESCRIBED.get(described)
    return "component" if not named and is_component(document) else None


def distance(job_file: str, file: str) -> int:
    """The steps from one file's folder to another's: each folder up, and each one down, is one."""
    relative = posixpath.relpath(posixpath.dirname(file) or ".", posixpath.dirname(job_file) or ".")
    return 0 if relative == "." else relative.count("/") + 1


def choose(
    assets: Iterable[AssetFile], reference: str, job_file: str, where: Position | str
) -> AssetFile | None:
    """The one of the assets, all of one kind, that stands for a reference in a job file.

    A version is that one, else a file without a version. `@latest` is the highest version; a file
    without one comes after all versions, since Azure ML gives it the next number. Among equals the
    nearest folder counts. None if no file has the name.

    Raises `UserError` if no version fits, and if two files are equally near.
    """
    wanted = reference_of(reference)
    if wanted is None or wanted.label not in _OF_NEWEST:
        return None
    named = [asset for asset in assets if asset.name == wanted.name]
    if not named:
        return None
    if wanted.version:
        fitting = [asset for asset in named if asset.version == wanted.version]
        fitting = fitting or [asset for asset in named if not asset.version]
    else:
        highest = max(version_key(asset.version) for asset in named)
        fitting = [asset for asset in named if version_key(asset.version) == highest]
    if not fitting:
        raise _other_version(reference, wanted, named, where)
    near = min(distance(job_file, asset.file) for asset in fitting)
    nearest = sorted(
        (asset for asset in fitting if distance(job_file, asset.file) == near),
        key=lambda asset: asset.file,
    )
    if len(nearest) > 1:
        raise _ambiguous(reference, nearest, where)
    return nearest[0]


def version_key(version: str) -> tuple[int, tuple[tuple[int, int, str], ...]]:
    """Orders versions: 10 after 9, 1.10 after 1.9, words after numbers, none after all."""
    parts = re.findall(r"[0-9]+|[^0-9.]+", version)
    key = tuple(
        (
            (0, int(part), "")
            if part.isascii() and part.isdecimal() and len(part) < 19
            else (1, 0, part)
        )
        for part in parts
    )
    return (0 if version else 1), key


def note_of(reference: str, asset: AssetFile) -> str:
    """Which file stands for a reference, in one line."""
    version = f"version {asset.version}" if asset.version else "without a version"
    return f"{reference} is {asset.file} here ({version})"


def _other_version(
    reference: str, wanted: AssetReference, named: list[AssetFile], where: Position | str
) -> UserError:
    shown = sorted(named, key=lambda asset: (version_key(asset.version), asset.file))
    versions = ", ".join(f"{asset.version} in {asset.file}" for asset in shown[-3:])
    return UserError(
        f"this workspace has {wanted.name} in other versions than {wanted.version}: {versions}",
        code="asset-version-missing",
        where=where,
        hint=f"Write {shown[-1].reference}, or the version {wanted.version} in a file of its own",
    )


def _ambiguous(reference: str, nearest: list[AssetFile], where: Position | str) -> UserError:
    names = " and ".join(asset.file for asset in nearest[:3])
    return UserError(
        f"{reference} is in {names}, which are equally near",
        code="asset-ambiguous",
        where=where,
        hint="Give them different versions, or remove one",
    )
