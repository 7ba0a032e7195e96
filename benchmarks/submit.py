"""What `loop submit` adds to the ten lines that it stands for.

In one run, taking turns, on one stand-in for Azure on loopback (tests/azure: the unmodified client,
a real Azurite), with the experiment digit_recognition_svm:

    loop submit    checked, previewed, on the ledger, sent
    ten lines      load_job and create_or_update in Azure's client's own environment
    --dry-run      the preview alone, which needs no client

Each submission is of changed code, so that each uploads. Whole processes, in milliseconds, the
median of all turns.

    scripts/bench submit [--turns 7] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

from innerloop import bootstrap, environments  # noqa: E402

from tests.azure import network, standin  # noqa: E402

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
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=7, help="of each (default: 7)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    args = parser.parse_args()
    if network.azurite() is None:
        print("Azurite is not here: `npm install azurite`, and put azurite-blob on PATH.")
        return 1
    python = environments.python_of(bootstrap.ensure("azure"))
    with azure() as (folder, env):
        medians = measure(folder, env, python, args.turns)
    ratio = medians["loop submit"] / medians["ten lines"]
    result = {"turns": args.turns, "milliseconds": medians, "loop submit / ten lines": ratio}
    if args.json:
        print(json.dumps(result, indent=2))
    else:
        for name, value in medians.items():
            print(f"{name:<26}{value:9.0f} ms")
        print(f"\n{'loop submit / ten lines':<26}{ratio:9.2f}")
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

    return take_turns({name: caller(argv, env) for name, argv in ways.items()}, turns, change)


def caller(argv: list[str], env: dict[str, str]) -> Callable[[], None]:
    def call() -> None:
        done = subprocess.run(
            argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.exit(f"{' '.join(argv)}\nended with exit code {done.returncode}\n{done.stderr}")

    return call


def take_turns(
    ways: dict[str, Callable[[], None]], turns: int, before: Callable[[int, str], None]
) -> dict[str, float]:
    """All of them once, then all of them again: what else the machine does meets each alike."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, way in ways.items():
            before(turn, name)
            started = time.perf_counter()
            way()
            if turn:  # the first warms up
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def copy_of_the_workspace(folder: Path) -> Path:
    """The experiment with its common code, in a repository of its own, with the real scripts."""
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
    """A scratch folder, and the variables by which a program meets the stand-in alone."""
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="innerloop-bench-")))
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
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
