"""Checks on a machine with an NVIDIA GPU, in about five minutes: no test machine of ours has one.

    python3 packages/innerloop/tests/gpu/check_gpu.py [--backend docker|podman|venv ...] [--torch]

It needs python3 and an NVIDIA GPU with its driver (`nvidia-smi -L` lists it), and for the container
backends an engine that hands GPUs over: Docker with the NVIDIA Container Toolkit or a CDI
specification, Podman with a CDI specification; and the image python:3.11-slim-bookworm, or the network
for it. What is missing is left out, and a line says so. `--torch` also asks PyTorch, in the environment
of digit_recognition, which downloads some gigabytes.

Each line is one check: the backend, what was checked, what was seen, and "ok" or "WRONG". For each
backend:

    auto, all, 1, ...  `loop run --gpus` of each form: the GPUs that its program saw by CUDA's driver,
                       and by the container's nvidia-smi
    load               the run's system.jsonl has what GPU 0 did
    shared             two runs in a terminal at once on one GPU: both see it
    queue              two detached runs that need all GPUs: the second one starts after the first

The exit code is 0 if all is well, 1 if anything is wrong, 2 if there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
BACKENDS = ("docker", "podman", "venv")
IMAGE = "python:3.11-slim-bookworm"
JOB = """command: python look.py ${{inputs.seconds}}
code: .
environment: {build: {path: ./environment}}
inputs: {seconds: 0}
"""
# Seconds of a run whose load is sampled, and of two that are to be there at once.
LONG = 6
# Seconds that a detached run may take with all before it.
PATIENCE = 120
# What a program sees: through CUDA's driver, which every container with a GPU has, and nvidia-smi.
LOOK = """
import ctypes, json, shutil, subprocess, sys, time
began = time.time()
time.sleep(float(sys.argv[1]))
try:
    cuda = ctypes.CDLL("libcuda.so.1")
    count = ctypes.c_int(0)
    code = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    seen = count.value if code == 0 else 0
except OSError:
    seen = 0
smi = -1
if shutil.which("nvidia-smi"):
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    smi = sum(line.startswith("GPU ") for line in done.stdout.splitlines()) if done.returncode == 0 else 0
seen = {"cuda": seen, "smi": smi, "began": began, "ended": time.time()}
open("outputs/seen.json", "w").write(json.dumps(seen))
"""
TORCH = "import torch; print(torch.cuda.is_available(), torch.cuda.device_count())"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", action="append", choices=BACKENDS, default=[])
    parser.add_argument("--torch", action="store_true")
    args = parser.parse_args()
    there = gpus_here()
    if there == 0:
        print("this machine has no NVIDIA GPU that nvidia-smi lists", file=sys.stderr)
        return 2
    chosen = [name for name in args.backend or BACKENDS if is_there(name)]
    failures = 0
    for backend in chosen:
        with tempfile.TemporaryDirectory(prefix="check-gpu-") as folder:
            root = make(Path(folder) / "workspace", backend)
            for gpus, expected in cases(there):
                failures += check(root, backend, gpus, expected)
            failures += check_load(root, backend)
            failures += check_shared(root, backend)
            failures += check_queue(root, backend)
    if args.torch:
        failures += sum(check_torch(backend, there) for backend in chosen if backend != "podman")
    return 1 if failures else 0


def gpus_here() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())


def is_there(backend: str) -> bool:
    """Whether the backend can be checked; a line says why not."""
    why = ""
    if backend != "venv":
        if shutil.which(backend) is None:
            why = f"there is no program {backend}"
        elif not succeeds(backend, "info"):
            why = "its engine does not answer"
        elif not succeeds(backend, "image", "inspect", IMAGE) and not succeeds(
            backend, "pull", IMAGE
        ):
            why = f"{IMAGE} is not here and cannot be pulled"
    if why:
        print(f"{backend:7} left out: {why}", flush=True)
    return not why


def succeeds(*argv: str) -> bool:
    return subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def cases(there: int) -> list[tuple[str, int]]:
    """The words after `--gpus`, and how many GPUs a program then sees."""
    last = there - 1
    found = [("auto", there), ("all", there), ("1", 1), (f"device={last}", 1), ("none", 0)]
    return [*found, ("0,1", 2)] if there > 1 else found


def make(root: Path, backend: str) -> Path:
    """A workspace with one experiment that says what it sees."""
    engine = 'engine = "podman"\n' if backend == "podman" else ""
    for name, text in {
        "pyproject.toml": f"[tool.innerloop]\n{engine}",
        "src/look/look.py": LOOK,
        "src/look/azure-ml-job.yaml": JOB,
        "src/look/environment/Dockerfile": f"FROM {IMAGE}\n",
        "src/look/environment/requirements.txt": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / "scripts").symlink_to(ROOT / "scripts")
    return root


def run_argv(backend: str, *words: str) -> list[str]:
    name = "docker" if backend == "podman" else backend
    return [sys.executable, "scripts/loop", "run", "look", "--backend", name, *words]


def report(backend: str, what: str, seen: object, wrong: bool, lines: list[str]) -> bool:
    """Print one check; what the runs printed, if it is wrong."""
    why = next((line for line in lines if "backend " in line), lines[-1] if lines else "")
    print(f"{backend:7} {what:10} {seen} {'WRONG' if wrong else 'ok'}  {why}", flush=True)
    if wrong:
        print("\n".join(f"    {line}" for line in lines[-10:]), flush=True)
    return wrong


def folders(root: Path) -> set[Path]:
    return set((root / "outputs/look").glob("*"))


def seen_in(folder: Path) -> dict[str, float]:
    """What the program of a run saw; -1 where it wrote nothing."""
    try:
        found: dict[str, float] = json.loads((folder / "seen.json").read_text())
    except OSError:
        return {"cuda": -1, "smi": -1, "began": -1, "ended": -1}
    return found


def check(root: Path, backend: str, gpus: str, expected: int) -> bool:
    """Whether a run saw other GPUs than expected."""
    before = folders(root)
    argv = run_argv(backend, "--gpus", gpus)
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True)
    new = folders(root) - before
    value = seen_in(new.pop() if new else root)
    # For a process of this machine nvidia-smi lists all GPUs, whatever CUDA may use. A container
    # without a GPU may lack the program.
    has_own_smi = backend != "venv" and (expected > 0 or value["smi"] >= 0)
    wrong = value["cuda"] != expected or (has_own_smi and value["smi"] != expected)
    wrong = wrong or done.returncode != 0
    shown = {key: value[key] for key in ("cuda", "smi")}
    return report(backend, gpus, shown, wrong, (done.stdout + done.stderr).splitlines())


def check_load(root: Path, backend: str) -> bool:
    """Whether the record of a run lacks what GPU 0 did."""
    before = folders(root)
    argv = run_argv(backend, "--gpus", "device=0", "--set", f"inputs.seconds={LONG}")
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True)
    new = folders(root) - before
    path = (new.pop() if new else root) / ".run/system.jsonl"
    samples = path.read_text().splitlines() if path.is_file() else []
    keys = {key for sample in samples for key in json.loads(sample) if key.startswith("gpu0")}
    wrong = keys != {"gpu0", "gpu0_memory"}
    return report(backend, "load", sorted(keys), wrong, (done.stdout + done.stderr).splitlines())


def check_shared(root: Path, backend: str) -> bool:
    """Whether one of two runs in a terminal at once on one GPU does not see it."""
    before = folders(root)
    argv = run_argv(backend, "--gpus", "device=0", "--set", f"inputs.seconds={LONG}")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    programs = [subprocess.Popen(argv, cwd=root, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    lines = [line for one in programs for line in one.communicate()[0].splitlines()]
    values = [seen_in(folder) for folder in folders(root) - before]
    spans = [(value["began"], value["ended"]) for value in values]
    wrong = [value["cuda"] for value in values] != [1, 1] or not overlap(spans)
    said = [line for line in lines if "another run of this machine has GPU 0 too" in line]
    shown = f"{len(values)} runs, at once: {overlap(spans)}, said: {len(said)}"
    return report(backend, "shared", shown, wrong or len(said) != 1, lines)


def check_queue(root: Path, backend: str) -> bool:
    """Whether two detached runs that each need all GPUs ran at once."""
    before = folders(root)
    argv = run_argv(backend, "--gpus", "all", "--set", "inputs.seconds=2", "--detach")
    done = [subprocess.run(argv, cwd=root, capture_output=True, text=True) for _ in range(2)]
    lines = [line for one in done for line in (one.stdout + one.stderr).splitlines()]
    until = time.monotonic() + PATIENCE
    new: list[Path] = []
    while time.monotonic() < until:
        new = sorted(folders(root) - before)
        if len(new) == 2 and all((folder / "seen.json").is_file() for folder in new):
            break
        time.sleep(0.2)
    spans = [(value["began"], value["ended"]) for value in map(seen_in, new)]
    has_all = len(spans) == 2 and all(began > 0 for began, _ in spans)
    shown = f"{len(spans)} runs, at once: {overlap(spans)}"
    return report(backend, "queue", shown, not has_all or overlap(spans), lines)


def overlap(spans: list[tuple[float, float]]) -> bool:
    """Whether the two times from a start to an end have a moment in common."""
    return len(spans) == 2 and max(span[0] for span in spans) < min(span[1] for span in spans)


def check_torch(backend: str, there: int) -> bool:
    """Whether PyTorch sees other GPUs than there are."""
    argv = [sys.executable, "scripts/loop", "terminal", "digit_recognition", "--backend", backend]
    argv += ["--gpus", "all", "--", "python", "-c", TORCH]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    wrong = f"True {there}" not in done.stdout
    last = done.stdout.strip().splitlines()[-1:] or ["no output"]
    print(f"{backend:7} torch      {last[0]} {'WRONG' if wrong else 'ok'}", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
