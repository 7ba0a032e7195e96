"""Time that `loop run` and `loop sync` add to the commands they replace.

In one run, in turns, with an experiment whose program does nothing and whose image is ready:

    loop run           `scripts/loop run tiny`
    loop run, edited   the same after an edit of its program
    loop run, venv     the same without a container
    bash               the job's command by `bash -c` alone
    docker run         the same `docker run` alone
    build and run      `docker build -q` and that `docker run`, as a Makefile has it
    devcontainer exec  the same program in an open dev container (where the CLI is installed)

Also a warm `loop --version`, and `loop sync` of 10, 100 and 1,000 experiments: the first one,
which writes everything; one after a change in every experiment; one without changes. In the
largest workspace, tasks.json has 200 kB of a person's own tasks. Each is a whole process, in
milliseconds, the median of all turns.

    packages/innerloop/bench orchestrator [--turns 15] [--json]
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from _support import (
    ROOT,
    Spread,
    all_turns,
    arguments,
    call,
    call_anyway,
    compare,
    medians,
    scratch,
    take_turns,
    tell,
)

IMAGE = "python:3.11-slim-bookworm"
SIZES = (10, 100, 1000)
NAME = "{{.Repository}}:{{.Tag}}"
JOB = (
    "command: python train.py --epochs ${{inputs.epochs}}\ncode: .\n"
    "inputs:\n  epochs: 8\n  rate: 0.001\n"
    "environment:\n  build:\n    path: ./environment\ncompute: azureml:cpu\n"
)


def main() -> int:
    args = arguments(__doc__, turns=15)
    with scratch() as folder:
        times = measure_commands(folder, args.turns)
        taken = medians(times)
        for size in SIZES:
            taken |= measure_sync(folder, size, args.turns)
    tell(args.turns, taken, ratios(times, taken), as_json=args.json)
    return 0


def measure_commands(folder: Path, turns: int) -> dict[str, list[float]]:
    """In milliseconds. Without an engine nothing is measured that needs a container."""
    workspace = make(folder / "runs", 1)
    (workspace / "src/tiny0/environment/requirements.txt").write_text("")  # for the backend venv
    in_venv = loop(workspace, "run", "tiny0", "--backend", "venv")
    call(in_venv)  # makes the environment
    told = json.loads(call([*in_venv, "--dry-run", "--json"]))
    python = str(Path(told["env"]["VIRTUAL_ENV"], "bin"))
    plain = ["bash", "-c", f"cd {workspace}/src/tiny0 && PATH={python}:$PATH {told['command']}"]
    ways: dict[str, Callable[[], object]] = {
        "loop --version": lambda: call(loop(workspace, "--version")),
        "loop run, venv": lambda: call(in_venv),
        "bash": lambda: call(plain),
    }
    opened = None
    if subprocess.run(["docker", "info"], capture_output=True).returncode == 0:
        ways |= container_ways(workspace)
        if shutil.which("devcontainer"):
            opened = open_dev_container(workspace)
            ways["devcontainer exec"] = lambda: call(exec_in_dev_container(workspace))
    else:
        print("No Docker engine answers: runs are not measured.", file=sys.stderr)
    try:
        return all_turns(ways, turns)
    finally:
        clean(workspace, opened)


def container_ways(workspace: Path) -> dict[str, Callable[[], object]]:
    run = loop(workspace, "run", "tiny0", "--backend", "docker")
    call(run)  # builds the image
    told = json.loads(call([*run, "--dry-run", "--json"]))
    (workspace / told["outputs"]).mkdir(parents=True)
    (workspace / "src/tiny0/outputs").mkdir(exist_ok=True)
    # A recorded run removes its container once its end is read.
    raw = [*told["argv"][:2], "--rm", *told["argv"][2:]]
    context = str(workspace / "src/tiny0/environment")
    build = ["docker", "build", "--quiet", "--tag", told["image"] + "-by-hand", context]

    program = workspace / "src/tiny0/train.py"
    program.write_text("import sys\n\nprint('trained')\n")

    def edited_run() -> None:
        with program.open("a") as file:
            file.write("# another line\n")
        call(run)

    def build_and_run() -> None:
        call(build)
        call(raw)

    return {
        "loop run": lambda: call(run),
        "loop run, edited": edited_run,
        "docker run": lambda: call(raw),
        "build and run": build_and_run,
    }


def measure_sync(folder: Path, size: int, turns: int) -> dict[str, float]:
    workspace = make(folder / f"sync{size}", size)
    command = loop(workspace, "sync")
    epochs = iter(range(9, 1000))

    def first() -> None:
        for name in (".devcontainer", ".innerloop", ".vscode"):
            shutil.rmtree(workspace / name, ignore_errors=True)
        call(command)

    def changed() -> None:
        number = next(epochs)
        for path in workspace.glob("src/*/azure-ml-job.yaml"):
            path.write_text(JOB.replace("epochs: 8", f"epochs: {number}"))
        call(command)

    def unchanged() -> None:
        call(command)

    if size == SIZES[-1]:
        call(command)
        own_tasks(workspace, 200_000)
    few = max(3, turns // (1 + size // 100))
    times = take_turns({"changed": changed, "unchanged": unchanged}, few)
    times |= take_turns({"first": first}, 3)
    return {f"loop sync, {size}, {way}": times[way] for way in ("first", "changed", "unchanged")}


def own_tasks(workspace: Path, size: int) -> None:
    """Fill tasks.json up to a size in bytes with a person's tasks and comments."""
    path = workspace / ".vscode" / "tasks.json"
    text = path.read_text()
    own = ""
    while len(text) + len(own) < size:
        label = f"mine {len(own)}"
        own += f'\n        // by hand\n        {{ "label": "{label}", "type": "shell", "command": "true" }},'
    path.write_text(text.replace('"tasks": [', '"tasks": [' + own, 1))


def ratios(times: dict[str, list[float]], medians: dict[str, float]) -> dict[str, float | Spread]:
    result: dict[str, float | Spread] = {
        "loop run, venv / bash": compare(times, "loop run, venv", "bash")
    }
    if "docker run" in times:
        for name in ("loop run", "loop run, edited", "build and run", "devcontainer exec"):
            if name in times:
                result[f"{name} / docker run"] = compare(times, name, "docker run")
    small, large = SIZES[0], SIZES[-1]
    for way in ("first", "changed", "unchanged"):
        grown = medians[f"loop sync, {large}, {way}"] - medians[f"loop sync, {small}, {way}"]
        result[f"loop sync, {way}, ms per experiment"] = grown / (large - small)
    return result


def make(root: Path, experiments: int) -> Path:
    """A workspace with the real scripts and a number of experiments that do nothing."""
    root.mkdir()
    (root / "pyproject.toml").write_text('[tool.innerloop]\ngpu = "auto"\n')
    (root / "scripts").symlink_to(ROOT / "scripts")
    for number in range(experiments):
        folder = root / "src" / f"tiny{number}"
        (folder / "environment").mkdir(parents=True)
        (folder / "environment" / "Dockerfile").write_text(f"FROM {IMAGE}\n")
        (folder / "train.py").write_text("print('trained')\n")
        (folder / "azure-ml-job.yaml").write_text(JOB)
    return root


def loop(workspace: Path, *words: str) -> list[str]:
    return [str(workspace / "scripts" / "loop"), *words]


def open_dev_container(workspace: Path) -> str:
    """The container's id."""
    call(loop(workspace, "sync"))
    told: dict[str, str] = json.loads(call(dev_container(workspace, "up")).splitlines()[-1])
    return told["containerId"]


def exec_in_dev_container(workspace: Path) -> list[str]:
    return [*dev_container(workspace, "exec"), "python", "src/tiny0/train.py"]


def dev_container(workspace: Path, verb: str) -> list[str]:
    config = workspace / ".devcontainer" / "tiny0" / "devcontainer.json"
    return ["devcontainer", verb, f"--workspace-folder={workspace}", f"--config={config}"]


def clean(workspace: Path, container: str | None) -> None:
    """Remove what this benchmark made, by name: another workspace may have the same image."""
    if shutil.which("docker") is None:
        return
    label = f"label=innerloop.workspace={workspace}"
    names = call_anyway(["docker", "images", "--filter", label, "--format", NAME]).split()
    names += [f"{name}-by-hand" for name in names]
    if container is not None:
        opened = call_anyway(["docker", "inspect", "--format", "{{.Config.Image}}", container])
        call_anyway(["docker", "rm", "--force", container])
        names += [opened.strip(), opened.strip().removesuffix("-uid")]
    for name in dict.fromkeys(names):
        call_anyway(["docker", "rmi", name])


if __name__ == "__main__":
    sys.exit(main())
