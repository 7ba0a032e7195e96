"""The topics of `loop help`: pages about more than one command. Each is a text file in topics/."""

from __future__ import annotations

from pathlib import Path

# Topic -> the title that `loop help` lists.
TITLES = {
    "argo": "Kubernetes: the settings under [argo]",
    "backends": "docker, apptainer, venv, in-container, ssh:NAME, slurm: where a job runs",
    "debug": "F5, and what loop run --debug does",
    "job": "the job file: what to run",
    "network": "proxies, a certificate authority, a private package index",
    "packages": "add a package to an experiment's environment",
    "pipelines": "sweep and pipeline jobs: trials, steps, one step again",
    "schedule": "who starts a job by time or by hand",
    "settings": "[tool.innerloop] and innerloop.toml",
}


def page(topic: str) -> str:
    """The text of a topic's page."""
    path = Path(__file__).resolve().parent / "topics" / f"{topic}.txt"
    return path.read_text(encoding="utf-8")
