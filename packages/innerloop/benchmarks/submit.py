"""Time that `loop submit` adds to a plain submission with Azure's client.

In one run, in turns, on one stand-in for Azure on loopback (tests/azure: the unmodified client,
a real Azurite), with the experiment digit_recognition_svm:

    loop submit    check, preview, record and submit
    ten lines      load_job and create_or_update in the environment of Azure's client
    --dry-run      the preview alone, which needs no client

The code changes before each submission, so that each one uploads it. Whole processes, in
milliseconds, the median of all turns.

    packages/innerloop/bench submit [--turns 7] [--json]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from _support import ROOT, arguments, call, scratch, take_turns, tell

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "packages/innerloop/src"))

from innerloop.util import locked_environments, venvs
from tests.azure import network, standin

EXPERIMENT_NAME = "digit_recognition_svm"
TEN_LINES = """
import os, sys
from azure.ai.ml import MLClient, load_job
from azure.identity import DefaultAzureCredential
client = MLClient(
    DefaultAzureCredential(), os.environ["AZURE_SUBSCRIPTION_ID"],
    os.environ["AZURE_RESOURCE_GROUP"], os.environ["AZUREML_WORKSPACE_NAME"],
)
job = client.jobs.create_or_update(load_job(sys.argv[1]))
print(job.name, job.studio_url)
"""


def main() -> int:
    args = arguments(__doc__, turns=7)
    if network.azurite() is None:
        print("Azurite is not here: `npm install azurite`, and put azurite-blob on PATH.")
        return 1
    python = venvs.python_of(locked_environments.ensure("azure"))
    with azure() as (folder, env):
        medians = measure(folder, env, python, args.turns)
    ratio = medians["loop submit"] / medians["ten lines"]
    tell(args.turns, medians, {"loop submit / ten lines": ratio}, as_json=args.json)
    return 0


def measure(folder: Path, env: dict[str, str], python: Path, turns: int) -> dict[str, float]:
    workspace = copy_of_the_workspace(folder)
    job = workspace / "src" / EXPERIMENT_NAME / "azure-ml-job.yaml"
    loop = [str(workspace / "scripts" / "loop"), "submit", EXPERIMENT_NAME]
    ways: dict[str, list[str]] = {
        "loop submit": loop,
        "ten lines": [str(python), "-c", TEN_LINES, str(job)],
        "loop submit --dry-run": [*loop, "--dry-run"],
    }

    def change(turn: int, name: str) -> None:
        (job.parent / "changed.py").write_text(f"# {name}, turn {turn}\n")

    calls = {name: partial(call, argv, env) for name, argv in ways.items()}
    return take_turns(calls, turns, change)


def copy_of_the_workspace(folder: Path) -> Path:
    """The experiment with its shared code, in a repository of its own, with the real scripts."""
    workspace = folder / "workspace"
    for name in (f"src/{EXPERIMENT_NAME}", "src/common"):
        ignored = shutil.ignore_patterns("__pycache__", "outputs")
        shutil.copytree(ROOT / name, workspace / name, symlinks=True, ignore=ignored)
    (workspace / "pyproject.toml").write_text('[tool.innerloop]\ngpu = "auto"\n')
    (workspace / ".gitignore").write_text(".innerloop/\nscripts\n")
    (workspace / "scripts").symlink_to(ROOT / "scripts")
    person = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "."], [*person, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=workspace, check=True)
    return workspace


@contextmanager
def azure() -> Iterator[tuple[Path, dict[str, str]]]:
    """A scratch folder, and the variables with which programs use the stand-in."""
    with scratch() as folder:
        authority, server = network.certificates(folder)
        store = network.Azurite(folder, server, standin.ACCOUNT, standin.KEY)
        service = standin.Azure(store.port)
        service.blobs.make("workspaceblobstore")
        proxy = network.Proxy(service, standin.HOSTS, server, store.port)
        try:
            yield folder, {**os.environ, **standin.environment(proxy.url, authority)}
        finally:
            proxy.close()
            store.close()


if __name__ == "__main__":
    sys.exit(main())
