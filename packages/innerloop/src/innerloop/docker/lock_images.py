"""An image with the packages of a lock, from a Dockerfile that is generated for its kind."""

from __future__ import annotations

import posixpath
from pathlib import Path

from ..model.container import image_name_part
from ..model.dockerfiles import dockerfile
from ..model.dockerfiles.lock_dockerfile import of_lock, usual_base
from ..model.environment import Image
from ..model.environment_lock import EnvironmentLock
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import files, locked_environments, venvs
from ..util.digests import sha256


def image_on(
    workspace: Workspace, experiment: Experiment, lock: EnvironmentLock, base: str = ""
) -> Image:
    """The image that is built from the lock, on a base image ("": the usual one of its kind)."""
    text = of_lock(lock, base, uv=locked_environments.text_of("uv"))
    digest = sha256("\0".join((text, lock.key)).encode("utf-8", "surrogateescape")).hexdigest()
    context = venvs.cache_folder() / "lock-images" / digest[:16]
    kind = image_name_part(f"{experiment.slug}-{lock.source.kind}-{digest[:8]}")
    name = f"{workspace.image_name}/{kind}"
    parsed = dockerfile.parse(text, f"{lock.source.path} (its Dockerfile)")
    return Image(f"{name}:job", None, digest, str(context), parsed)


def note_on(lock: EnvironmentLock, base: str = "") -> str:
    """What the user should know about the image, in one line."""
    note = f"the image is {base or usual_base(lock.source)} with the packages of {lock.source.path}"
    return note if lock.is_hashed else f"{note}, which has no hashes"


def write_context(image: Image, lock: EnvironmentLock) -> None:
    """Write the files that the image's Dockerfile copies."""
    files.make_folder(Path(image.context))
    for name, text in lock.files:
        files.write_text(Path(image.context, posixpath.basename(name)), text, readable=True)
