"""Checks on a machine with an NVIDIA GPU, in about five minutes: no test machine of ours has one.

    python3 packages/innerloop/tests/gpu/check_gpu.py [--backend docker|podman|venv ...] [--torch]

It needs an NVIDIA GPU with its driver (`nvidia-smi -L` lists it), and for the container backends an
engine that hands GPUs over: Docker with the NVIDIA Container Toolkit or a CDI specification, Podman
with a CDI specification; and the network, for the image python:3.11-slim-bookworm. An engine that is
not installed is left out. `--torch` also asks PyTorch, in the environment of digit_recognition, which
downloads some gigabytes.

Each line is one run of `scripts/loop run`: the backend, the GPUs that it was to have, those that its
program saw (by CUDA's driver, and by nvidia-smi where that lists what the program may use), and "ok" or
what is wrong. The exit code is 1 if anything is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
BACKENDS = ("docker", "podman", "venv")
IMAGE = "python:3.11-slim-bookworm"
JOB = "command: python look.py\ncode: .\nenvironment: {build: {path: ./environment}}\n"
# What a program sees: through CUDA's driver, which every container with a GPU has, and nvidia-smi.
LOOK = """
import ctypes, json, shutil, subprocess
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
open("outputs/seen.json", "w").write(json.dumps({"cuda": seen, "smi": smi}))
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
    chosen = args.backend or [
        name for name in BACKENDS if name == "venv" or shutil.which(name) is not None
    ]
    failures = 0
    for backend in chosen:
        with tempfile.TemporaryDirectory(prefix="check-gpu-") as folder:
            root = make(Path(folder) / "workspace", backend)
            for gpus, expected in cases(there):
                failures += check(root, backend, gpus, expected)
    if args.torch:
        failures += sum(check_torch(backend, there) for backend in chosen if backend != "podman")
    return 1 if failures else 0


def gpus_here() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())


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


def check(root: Path, backend: str, gpus: str, expected: int) -> bool:
    """Whether a run saw other GPUs than expected."""
    name = "docker" if backend == "podman" else backend
    argv = [sys.executable, "scripts/loop", "run", "look", "--backend", name, "--gpus", gpus]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True)
    seen = max(root.glob("outputs/look/*/seen.json"), key=os.path.getmtime, default=None)
    value = json.loads(seen.read_text()) if seen is not None else {"cuda": -1, "smi": -1}
    # For a process of this machine nvidia-smi lists all GPUs, whatever CUDA may use.
    has_own_smi = backend != "venv" and value["smi"] >= 0
    wrong = value["cuda"] != expected or (has_own_smi and value["smi"] != expected)
    wrong = wrong or done.returncode != 0
    if seen is not None:
        seen.unlink()
    lines = (done.stdout + done.stderr).splitlines()
    why = next((line for line in lines if "backend " in line), lines[-1] if lines else "")
    print(f"{backend:7} {gpus:10} {value} {'WRONG' if wrong else 'ok'}  {why}", flush=True)
    if wrong:
        print("\n".join(f"    {line}" for line in lines[-10:]), flush=True)
    return wrong


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
