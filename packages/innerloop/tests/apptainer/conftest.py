"""A machine with Apptainer's stand-in on PATH, and no container engine that answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.apptainer import stand_in_programs
from tests.support import Answer, Started, Workspace, make_workspace


@dataclass
class Machine:
    """A workspace on such a machine, with a cache of its own."""

    workspace: Workspace
    env: dict[str, str]
    log: Path
    more: dict[str, str] = field(default_factory=dict)

    def loop(self, *words: str, env: Mapping[str, str] | None = None) -> Answer:
        return self.workspace.loop(*words, env={**self.env, **(env or {})})

    def start(self, *words: str) -> Started:
        return self.workspace.start(*words, env=self.env)

    def calls(self, verb: str) -> list[Sequence[str]]:
        """The argv of each start of the program with this verb, without its name."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        argvs = (json.loads(line)["argv"] for line in lines)
        return [argv for argv in argvs if argv[0] == verb]


@pytest.fixture(scope="session")
def _stand_in(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of the machine. The stand-in itself still finds this machine's Docker."""
    folder = tmp_path_factory.mktemp("apptainer")
    return stand_in_programs.installed(folder, {"apptainer": stand_in_programs.APPTAINER})


@pytest.fixture(scope="module")
def machine(
    tmp_path_factory: pytest.TempPathFactory, _stand_in: dict[str, str], _tool: None
) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    log = folder / "calls"
    # The tool's own environment is that of the session, and the image files are not.
    (folder / "cache").mkdir()
    for name in os.listdir(os.environ["INNERLOOP_CACHE"]):
        if name != "sif":
            (folder / "cache" / name).symlink_to(Path(os.environ["INNERLOOP_CACHE"], name))
    env = {**_stand_in, "STAND_IN_LOG": str(log), "INNERLOOP_CACHE": str(folder / "cache")}
    yield Machine(make_workspace(folder / "Mein é" / "work space"), env, log)
