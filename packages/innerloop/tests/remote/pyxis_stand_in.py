"""A stand-in for Pyxis and enroot, which Debian does not pack: an `srun` for the tests' PATH. Needs root.

Pyxis is a plugin of srun, which no program can stand in for. So this one takes Pyxis' options off srun's
command line, unpacks the image with this machine's Docker, and lets the real srun start each task through
it: in namespaces of its own, with the image's files as root and the mounts that were asked for, and with the
variables of the task below those of the image. It has no SPANK, no import by enroot, and a root that cannot
be written.

Source: Pyxis, README and pyxis_slurmstepd.c.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.apptainer import apptainer_stand_in as container

REAL = "/usr/bin/srun"
OPTIONS = ("--container-image", "--container-mounts", "--container-workdir")
FLAGS = ("--no-container-mount-home",)


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["--task"]:
        task(json.loads(words[1]), words[2:])
    asked: dict[str, str] = {}
    while words and words[0].startswith("--"):
        name, _, value = words[0].partition("=")
        if name in (*OPTIONS, *FLAGS):
            asked[name] = value
        elif name.startswith(("--container", "--no-container")):
            container.fatal(f"unrecognized option '{words[0]}'")
        else:
            asked.setdefault("srun", "")
            asked["srun"] += f"{shlex.quote(words[0])} "
        del words[0]
    options = shlex.split(asked.pop("srun", ""))
    if "--container-image" in asked:
        name = asked["--container-image"].replace("#", "/", 1)
        asked["rootfs"] = str(container.base_of(name))
        words = [sys.executable, "-I", __file__, "--task", json.dumps(asked), *words]
    os.execv(REAL, [REAL, *options, *words])


def task(asked: dict[str, str], command: list[str]) -> None:
    mounts = []
    for text in filter(None, asked.get("--container-mounts", "").split(",")):
        source, target, *flags = text.split(":")
        if not os.path.exists(source):
            container.fatal(f"pyxis: mount: {source}: No such file or directory")
        mounts.append((source, target, flags == ["ro"]))
    if container.LIBC.unshare(container._NEWNS) != 0:
        container.fatal("pyxis: namespaces need root")
    container.mount("--make-rprivate", "/")
    variables = Path(asked["rootfs"], ".singularity.d/env/10-docker2singularity.sh").read_text()
    for line in variables.splitlines():
        if line.startswith("export "):
            name, _, value = shlex.split(line)[1].partition("=")
            os.environ[name] = value
    os.chroot(container.container_root(asked["rootfs"], mounts, ""))
    os.chdir(asked.get("--container-workdir", "/"))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
