"""How data that are not there can be fetched, as far as the files around them say."""

from __future__ import annotations

import os
from pathlib import Path

from ..model.folder_contents import FETCH, is_annex_link
from . import submodules


def remedy(root: Path, path: str) -> str:
    """A command that fetches the data of a path that does not exist; "" if none is known.

    Source: DVC keeps `X.dvc` beside X; git-annex leaves a broken link; a submodule that is not
    checked out is an empty folder.
    """
    at = Path(os.path.normpath(root / path))
    for place in (at, *at.parents):
        if not place.is_relative_to(root) or place == root:
            break
        if os.path.islink(place) and is_annex_link(os.readlink(place)):
            return f"git annex get {place.relative_to(root).as_posix()}"
        if os.path.isfile(f"{place}.dvc"):
            return f"{FETCH['dvc']} {place.relative_to(root).as_posix()}.dvc"
        if str(place) in submodules.missing(root):
            return f"git submodule update --init {place.relative_to(root).as_posix()}"
    return ""
