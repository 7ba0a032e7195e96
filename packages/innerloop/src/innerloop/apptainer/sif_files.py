"""The image files of Apptainer in the user's cache: one folder each, by what the image is made of.

`image.sif` appears in one step when it is whole; `about.json` beside it says what it is of.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..docker import image_staleness
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import files
from ..util.cache_folder import cache_folder
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..workspace import loader

FILE, ABOUT = "image.sif", "about.json"


@dataclass(frozen=True, slots=True)
class SifImage:
    """An image file that was made, as its record says.

    `experiment` and `workspace` are those it was first made for; `digest` is "" for an image that is
    no environment folder's; `is_own`: of the experiment's environment/. `checksums` has each file.
    """

    folder: Path
    workspace: str
    experiment: str
    image: str
    digest: str
    is_own: bool
    checksums: dict[str, str]

    @property
    def is_whole(self) -> bool:
        return (self.folder / FILE).is_file()


def root_folder() -> Path:
    return cache_folder() / "sif"


def path_of(experiment: Experiment, image: Image) -> Path:
    """Where the image's file is, or will be. It is one of this kind of processor."""
    parts = (image.digest or image.name, image.target or "", platform.machine())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return root_folder() / f"{experiment.slug}-{key}" / FILE


def write_about(
    path: Path, workspace: Workspace, experiment: Experiment, image: Image, source: str
) -> None:
    """The record beside an image file; `source` says from what it was made."""
    own = loader.context_of(workspace, experiment).folder
    is_own = bool(image.context) and os.path.normpath(image.context) == os.path.normpath(own)
    record = {
        "workspace": workspace.root,
        "experiment": experiment.name,
        "image": image.name,
        "target": image.target or "",
        "digest": image.digest,
        "source": source,
        "is_own": is_own,
        "files": image_staleness.files_of(image.counted) if is_own else {},
    }
    files.write_text(path.with_name(ABOUT), json.dumps(record, indent=2) + "\n")


def all_images() -> Iterator[SifImage]:
    """Every image file of the cache, and what an interrupted command has left of one."""
    folder = root_folder()
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield _read(path)


def _read(folder: Path) -> SifImage:
    """A record that cannot be read says nothing: of no workspace."""
    value: object = None
    with suppress(UserError, ValueError, RecursionError):
        value = json.loads(files.read_text(folder / ABOUT) or "null")
    record = value if isinstance(value, dict) else {}

    def text(key: str) -> str:
        return found if isinstance(found := record.get(key), str) else ""

    checksums = record.get("files")
    return SifImage(
        folder,
        text("workspace"),
        text("experiment"),
        text("image"),
        text("digest"),
        record.get("is_own") is True,
        {
            name: one
            for name, one in (checksums if isinstance(checksums, dict) else {}).items()
            if isinstance(one, str)
        },
    )


def why_outdated(found: SifImage, digest: str) -> str:
    """Why nothing uses an image file any more; "" if something may.

    `digest` is that of its experiment's environment/ as it is now, "" without the experiment.
    """
    if not found.is_whole:
        return "it was not finished"
    if not digest:
        return f"{found.experiment} no longer exists"
    return "environment/ has changed" if found.is_own and digest != found.digest else ""
