"""Links that git checked out as text files, followed by Azure's client as it follows links.

The client lists the files of a folder in one function, for an upload and for its digest. Source:
azure-ai-ml 1.35, `_utils/_asset_utils.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.ai.ml._utils import _asset_utils

# The text files and what they lead to, as absolute paths without links.
_TARGETS: dict[str, str] = {}
_list = _asset_utils.traverse_directory


def follow(targets: Mapping[str, str]) -> None:
    """Send what the text files lead to in their place, from here on."""
    _TARGETS.clear()
    _TARGETS.update(targets)
    _asset_utils.traverse_directory = _list_followed if targets else _list


def _list_followed(root: str, files: list[str], *, prefix: str, **more: Any) -> list[Any]:
    """(path here, path there) of the files of a folder."""
    folder = Path(root).resolve()
    targets = {name: _TARGETS.get(str(folder / name), "") for name in files}
    folders = {name: target for name, target in targets.items() if os.path.isdir(target)}
    plain = [name for name in files if name not in folders]
    found = [
        (Path(_TARGETS.get(str(Path(here)), here)).as_posix(), there)
        for here, there in _list(root, plain, prefix=prefix, **more)
    ]
    for name, target in folders.items():
        inner = Path(prefix, name).as_posix()
        found += _asset_utils.get_upload_files_from_folder(
            target, prefix=inner, ignore_file=more["ignore_file"]
        )
    return found
