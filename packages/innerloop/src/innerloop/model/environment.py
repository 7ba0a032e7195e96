"""What stands on this machine for the environment that a job names. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..util.errors import UserError
from ..util.position import Position
from ..util.quick_dataclasses import dataclass

if TYPE_CHECKING:
    from .build_context import BuildContext
    from .dockerfiles.dockerfile import Dockerfile
    from .environment_lock import EnvironmentLock
    from .jobs.conda import CondaFile

# Where an environment comes from. "lock": a lock without a Dockerfile. "registered": one that Azure
# ML keeps, for which this workspace's settings may name something else.
EnvironmentKind = Literal["dockerfile", "conda", "image", "lock", "registered", "none"]


@dataclass(frozen=True, slots=True)
class Image:
    """An image to run in.

    It has a name, the stage to build (None: the last), the digest that it must carry, the absolute
    path of its build context and its Dockerfile. `files`: which files of the context count, if it holds
    more than the environment.

    An image that is not built here has neither digest nor Dockerfile: it is used as it is.
    """

    name: str
    target: str | None = None
    digest: str = ""
    context: str = ""
    dockerfile: Dockerfile | None = None
    files: BuildContext | None = None

    @property
    def counted(self) -> BuildContext:
        """The files of the context that decide about the image."""
        from .build_context import BuildContext

        return self.files or BuildContext(self.context)


@dataclass(frozen=True, slots=True)
class ResolvedEnvironment:
    """The environment of a run, resolved once and carried with the run.

    `source` is what the job names: the path of a Dockerfile or a conda file relative to the
    workspace's root, an image, or the reference of a registered environment. `image` is None where
    nothing on this machine stands for it, for the reason in `missing`. `folder` is the build's
    folder, with the requirements that the backend venv installs; "" where nothing is built from a
    folder. `requirements`: their path from the root, "" for `requirements.txt` in that folder, and
    `lock`: another kind of lock. `is_own`: the experiment's own environment. `dev`: the stage with
    development tools; with `test`, of these only what the tests need. `position` is the file:line of
    the job that names the environment. `notes` are about the image, and `file_note` says which file
    of the workspace stands for a registered environment, "" for none.
    """

    kind: EnvironmentKind = "none"
    source: str = ""
    image: Image | None = None
    folder: str = ""
    requirements: str = ""
    conda: CondaFile | None = None
    lock: EnvironmentLock | None = None
    is_own: bool = False
    dev: bool = False
    test: bool = False
    position: Position | str = ""
    notes: tuple[str, ...] = ()
    file_note: str = ""
    missing: UserError | None = None

    @property
    def digest(self) -> str:
        """The digest of what the image is built from; "" for an image that is not built here."""
        return self.image.digest if self.image is not None else ""


NO_ENVIRONMENT = ResolvedEnvironment()
