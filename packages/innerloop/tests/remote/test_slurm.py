"""`--backend slurm` on a real cluster of this machine, and everything about its jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote.slurm_cluster import SlurmCluster, slurm_cluster
from tests.support import Workspace, make_workspace

pytestmark = [pytest.mark.slurm]

SETTINGS = """
[tool.innerloop.remote.cluster.slurm]
partition = "short"
gpus_per_node = 2
setup = ["export FROM_SETUP=\'a b\'"]
"""
TRAIN = """
import os, pathlib, sys
from helper import NAME
out = pathlib.Path("outputs")
words = pathlib.Path(sys.argv[1]).read_text()
print("hello", NAME, os.environ["GREETING"], words, os.environ["FROM_SETUP"], flush=True)
(out / "model/weights.txt").write_text("42")
(out / "gpus.txt").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
sys.exit(3)
"""
JOB = """
command: python train.py ${{inputs.words}}
environment_variables: {GREETING: "it's $HOME"}
inputs:
  words: {type: uri_file, path: ../../data/words.txt}
outputs:
  model: {type: uri_folder}
limits: {timeout: 90}
"""


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    with slurm_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def place(
    cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory, _tool: None
) -> Iterator[Workspace]:
    made = make_workspace(tmp_path_factory.mktemp("of slurm") / "work space")
    folder = tmp_path_factory.mktemp("shared disk")
    made.env.update(cluster.env)
    made.write(
        "pyproject.toml",
        f'[tool.innerloop]\n[tool.innerloop.remote.cluster]\nfolder = "{folder}"\n{SETTINGS}',
    )
    made.write("data/words.txt", "words")
    made.add("line", TRAIN, job=JOB)
    made.write("src/line/helper.py", 'NAME = "shared"\n')
    yield made
    made.clean()


def runs(place: Workspace, slug: str) -> list[Path]:
    """The newest last."""
    return sorted((place.root / "outputs" / slug).iterdir())


def record_of(folder: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads((folder / ".run/run.json").read_text())
    return record


def test_run_is_what_it_is_on_this_machine(place: Workspace) -> None:
    done = place.loop("run", "line", "--backend", "slurm", "--gpus", "1")
    assert done.code == 3, done.err
    assert done.out == "hello shared it's $HOME words a b\n"
    assert "backend slurm:cluster (asked for; on this login node; 1 node, 1 GPU on each" in done.err
    folder = runs(place, "line")[-1]
    assert (folder / "model/weights.txt").read_text() == "42"
    assert (folder / "gpus.txt").read_text() in ("0", "1")
    record = record_of(folder)
    assert (record["backend"], record["exit_code"]) == ("slurm", 3)
