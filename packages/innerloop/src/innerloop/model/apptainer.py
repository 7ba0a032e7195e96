"""Apptainer (or Singularity) as a value: which one it is, and the words that start a container. Pure.

Source: `apptainer help exec`, Apptainer's user guide ("Bind Paths and Mounts", "Environment and
Metadata"), and the change logs of Apptainer and SingularityCE for the versions.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from .container import ContainerSpec, Mount

# The programs, in the order in which they are looked for.
PROGRAMS = ("apptainer", "singularity")

Product = Literal["apptainer", "singularity-ce", "singularity", ""]

# What `--version` prints: "apptainer version 1.3.4", "singularity-ce version 4.1.0-jammy".
_VERSION = late_pattern(r"(apptainer|singularity-ce|singularity)(?:pro)? version (\d+)\.(\d+)")
# In `--bind SOURCE:TARGET:OPTIONS` these separate, and a backslash escapes.
_NOT_IN_BIND = late_pattern(r"[:,\\\"\n]")
# Libraries of the GPU's driver are found there in a container with --nv.
LIBRARIES = "/.singularity.d/libs"


@dataclass(frozen=True, slots=True)
class Apptainer:
    """The program that starts a container, as a process of its own and without an engine.

    `product` and `version` are what it says of itself, "" and (0, 0) if that cannot be read.
    `workdir` is a folder of this machine for the container's /tmp and /var/tmp: without one they are
    in memory, of 64 MB in most installations.
    """

    program: str
    product: Product = ""
    version: tuple[int, int] = (0, 0)
    workdir: str = ""

    def __str__(self) -> str:
        number = ".".join(map(str, self.version)) if any(self.version) else "of an unknown version"
        return f"{self.product or self.program} {number}"

    def _since(self, apptainer: tuple[int, int], singularity_ce: tuple[int, int]) -> bool:
        least = {"apptainer": apptainer, "singularity-ce": singularity_ce}.get(self.product)
        return least is not None and self.version >= least

    @property
    def takes_mounts(self) -> bool:
        """Whether it has `--mount`, which takes any path."""
        return self._since((1, 0), (3, 9))

    @property
    def can_leave_values(self) -> bool:
        """Whether it has `--no-eval`: else a shell evaluates the values of variables."""
        return self._since((1, 1), (3, 10))

    @property
    def prefix(self) -> str:
        """What is before the names of variables that a container gets from this process."""
        return f"{self.product.partition('-')[0] or self.program}env_".upper()

    def with_workdir(self, folder: str) -> Apptainer:
        return replace(self, workdir=folder)

    def argv(self, spec: ContainerSpec) -> list[str]:
        """The words that start the container. UserError for a path that no option can hold.

        Nothing of the person's home, variables or processes is in it. Its variables are given by
        the program `env` in it, since the values of `--env` are split at commas by some versions
        and evaluated by a shell in others.
        """
        words = [self.program, "exec", "--containall", "--cleanenv", "--no-home"]
        words += ["--no-eval"] if self.can_leave_values else []
        words += ["--workdir", self.workdir] if self.workdir else []
        words += spec.devices
        for mount in spec.mounts:
            for part in mount.each():
                words += self._mount(part)
        words += ["--pwd", spec.workdir] if spec.workdir else []
        env = [f"{name}={value}" for name, value in _with_libraries(spec).items()]
        return [*words, spec.image, *(["env", *env] if env else []), *spec.command]

    def _mount(self, mount: Mount) -> list[str]:
        texts = (mount.source, mount.target)
        if not any(map(_NOT_IN_BIND.search, texts)):
            return ["--bind", ":".join((*texts, *(["ro"] if mount.read_only else [])))]
        if not self.takes_mounts or "\n" in "".join(texts):
            raise UserError(
                f"{self} cannot mount a path with a colon, a comma, a quote or a backslash: "
                f"{next(text for text in texts if _NOT_IN_BIND.search(text))}",
                code="apptainer-path",
                hint="Rename the file or folder, or install Apptainer 1.0 or newer",
            )
        fields = ["type=bind", f"source={mount.source}", f"destination={mount.target}"]
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow([*fields, *(["ro"] * mount.read_only)])
        return ["--mount", line.getvalue()]

    def variables(
        self, environ: Mapping[str, str], names: Iterable[str], secrets: Mapping[str, str]
    ) -> dict[str, str]:
        """The program's own variables: those of this process, and `secrets` for the container.

        Its settings that a person's shell has (`APPTAINER_BIND`) would change the container, which
        is the same for everybody: only those about its caches and sign-ins stay.
        """
        kept = {name: text for name, text in environ.items() if not _changes_container(name)}
        given = {name: secrets[name] for name in names if name in secrets}
        if not self.can_leave_values:
            given = {name: re.sub(r"[\\$`]", r"\\\g<0>", text) for name, text in given.items()}
        return {**kept, **{f"{self.prefix}{name}": text for name, text in given.items()}}


def _with_libraries(spec: ContainerSpec) -> dict[str, str]:
    """The container's variables. A search path for libraries keeps the folder of the GPU's."""
    env = dict(spec.env)
    if spec.devices and env.get("LD_LIBRARY_PATH"):
        env["LD_LIBRARY_PATH"] += f":{LIBRARIES}"
    return env


_OURS = late_pattern(r"(?:APPTAINER|SINGULARITY)(?:ENV)?_(?P<rest>.*)", re.DOTALL)
_KEPT = late_pattern(
    r"CACHEDIR|TMPDIR|LOCALCACHEDIR|CONFIGDIR|KEYSDIR|DOCKER_\w+|LOGIN_\w+|AUTHFILE"
)


def _changes_container(name: str) -> bool:
    match = _OURS.fullmatch(name)
    is_given = name.startswith(("APPTAINERENV_", "SINGULARITYENV_"))
    return match is not None and (is_given or _KEPT.fullmatch(match["rest"]) is None)


def of_version(program: str, text: str) -> Apptainer:
    """The program by what `--version` prints."""
    match = _VERSION.search(text)
    if match is None:
        return Apptainer(program)
    return Apptainer(program, _PRODUCTS[match[1]], (int(match[2]), int(match[3])))


_PRODUCTS: Mapping[str, Product] = {
    "apptainer": "apptainer",
    "singularity-ce": "singularity-ce",
    "singularity": "singularity",
}
