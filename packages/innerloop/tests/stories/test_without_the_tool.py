"""Contract: the orchestrator is deleted, and every experiment still runs by its plain command."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys

import yaml

from tests.support import ROOT, Workspace


def test_a_new_experiment_runs_by_its_plain_command(workspace: Workspace) -> None:
    assert workspace.loop("new", "churn").code == 0
    (workspace.root / "scripts").unlink()
    shutil.rmtree(workspace.root / ".innerloop")
    folder = workspace.root / "src" / "churn"
    done = subprocess.run([sys.executable, "train.py"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_rendered_dev_container_needs_the_tool() -> None:
    for path in (ROOT / ".devcontainer").glob("*/devcontainer.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        commands = json.dumps({key: told[key] for key in told if key.endswith("Command")})
        # What is only said to a person may name it.
        assert "scripts" not in re.sub(r"echo '[^']*'", "", commands)
        dockerfile = path.parent / told["build"]["dockerfile"]
        assert dockerfile.resolve().is_file(), path


def test_every_job_file_names_a_program_that_is_there() -> None:
    for path in (ROOT / "src").rglob("azure-ml-job.yaml"):
        job = yaml.safe_load(path.read_text(encoding="utf-8"))
        words = shlex.split(job["command"])
        assert words[0] == "python" and (path.parent / words[1]).is_file(), path
