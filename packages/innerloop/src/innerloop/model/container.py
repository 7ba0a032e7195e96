"""A container as a value: what `docker run` and its kin are asked for, before any argv is made. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..util.errors import UserError
from .host_paths import Bind, to_host

# Labels of our images and containers.
DIGEST_LABEL = "innerloop.digest"
WORKSPACE_LABEL = "innerloop.workspace"
EXPERIMENT_LABEL = "innerloop.experiment"
RUN_LABEL = "innerloop.run"


@dataclass(frozen=True, slots=True)
class Mount:
    """A bind mount: a host path, where it appears, and whether it can be written there."""

    source: str
    target: str
    read_only: bool = False

    def text(self) -> str:
        """The value of `--mount`. Docker reads it as one line of CSV, so a path may hold commas and
        quotes."""
        fields = ["type=bind", f"source={self.source}", f"target={self.target}"]
        if self.read_only:
            fields.append("readonly")
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(fields)
        return line.getvalue()


@dataclass(frozen=True, slots=True)
class ContainerContext:
    """What the machine adds to a container. `env` and `mounts` are seen in it; `secrets` are
    variables for the docker client alone, which `options` name and nothing shows. `binds`: the
    mounts of the container that we are in ourselves."""

    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    binds: tuple[Bind, ...] = ()
    notes: tuple[str, ...] = ()

    def hosted(self, mount: Mount) -> Mount:
        """The mount as the engine has to be asked for it. A path that only our container has is
        a `UserError`: the engine would make an empty folder of that name."""
        if not self.binds:
            return mount
        source = to_host(mount.source, self.binds)
        if source is None:
            raise UserError(
                f"{mount.source} is in this container alone, so the engine cannot mount it",
                hint="Put it into the workspace's folder, or run it from a terminal on the host",
            )
        return Mount(source, mount.target, mount.read_only)


NO_CONTEXT = ContainerContext()


def image_name_part(text: str) -> str:
    """A part of an image's or container's name: small letters, digits and `.`, `_`, `-` between
    them (Source: the reference grammar of OCI image names)."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower())
    return re.sub(r"(?<=[._-])[._-]+", "", plain).strip("._-")[:100] or "job"
