"""Whether an experiment's image files of Apptainer are older than their sources."""

from __future__ import annotations

from ..docker import image_build, image_staleness
from ..model.workspace import Workspace
from ..util.errors import UserError
from ..workspace import loader
from . import sif_files


def changes(workspace: Workspace, name: str) -> list[str]:
    """What has changed since the last image file was made, one phrase per change.

    Empty if there is none, or if one is of the files as they are.
    """
    kept = [
        found
        for found in sif_files.all_images()
        if found.is_whole
        and found.is_own
        and (found.workspace, found.experiment) == (workspace.root, name)
    ]
    if not kept:
        return []
    try:
        experiment = loader.open_experiment(workspace, name)
    except UserError:
        return []
    image = image_build.image_of(workspace, experiment)
    if any(found.digest == image.digest for found in kept):
        return []
    newest = max(kept, key=lambda found: (found.folder / sif_files.FILE).stat().st_mtime)
    return image_staleness.of_checksums(newest.checksums, image.counted)
