"""Whether an engine hands GPUs over, found out once by a container that starts with them.

The outcome is kept in the user's cache, for this engine, these options and this driver.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..util import files, json_records, process
from ..util.cache_folder import cache_folder
from ..util.digests import sha256
from ..util.errors import UserError
from ..util.host_gpus import HostGpus
from ..util.process import CompletedCommand
from . import docker_cli
from .gpu_handover import GpuEngine, GpuHandover, GpuTrial

# In seconds. A first start with a GPU may load the driver.
PATIENCE = 120
# How long an outcome counts, in seconds: a refusal may be repaired without a trace in the engine's
# facts, and a driver may break.
_KEPT = {"works": 7 * 86400, "started": 3600, "refused": 3600}
# What a container shows that has a GPU, one path a line.
LOOK = (
    "for path in /dev/nvidia[0-9]* /dev/nvhost-gpu /dev/nvgpu/igpu0 /dev/dxg /dev/kfd;"
    ' do if [ -e "$path" ]; then echo "$path"; fi; done'
)


def known(engine: GpuEngine, host: HostGpus, handover: GpuHandover) -> GpuTrial | None:
    """The outcome of an earlier trial; None without one that still counts."""
    path = _path(engine, host, handover)
    if path in _UNKNOWN:
        return _UNKNOWN[path]
    try:
        record = json_records.read_file(path)
        if record is None:
            return None
        outcome = record.as_str("outcome")
        why, at = record.as_str("why", ""), record.as_number("at")
    except (UserError, OSError, ValueError):
        return None
    age = time.time() - at
    if outcome not in _KEPT or not 0 <= age < _KEPT[outcome]:
        return None
    return GpuTrial(outcome, _line(why))


# Outcomes that count for this command alone: the engine did not answer, or had no image.
_UNKNOWN: dict[Path, GpuTrial] = {}


def carry_out(
    engine: GpuEngine,
    host: HostGpus,
    handover: GpuHandover,
    image: str,
    say: Callable[[str], None] = lambda text: None,
) -> GpuTrial:
    """Start a container of the image with the handover's options, and keep the outcome."""
    say("trying once whether the engine hands the GPU over")
    trial = _start(image, handover.options)
    if trial.outcome == "refused" and _start(image, ()).outcome == "refused":
        # It starts no container at all, which is nothing about GPUs.
        trial = GpuTrial("unknown", trial.why)
    path = _path(engine, host, handover)
    if trial.outcome == "unknown":
        _UNKNOWN[path] = trial
        return trial
    _UNKNOWN.pop(path, None)
    value = {"outcome": trial.outcome, "why": trial.why, "at": int(time.time())}
    try:
        files.make_folder(path.parent)
        files.write_private(path, json.dumps(value) + "\n")
    except UserError:
        _UNKNOWN[path] = trial  # a cache that cannot be written costs a trial each time
    return trial


def _start(image: str, options: Sequence[str]) -> GpuTrial:
    try:
        done = process.run(docker_cli.try_options(image, options, LOOK), timeout=PATIENCE)
    except UserError as error:
        return GpuTrial("unknown", error.what)
    return read(done)


def read(done: CompletedCommand) -> GpuTrial:
    """The outcome of the container. Pure.

    A message of the engine about its image, or about itself, says nothing about GPUs.
    """
    if done.ok:
        return GpuTrial("works" if done.out.strip() else "started")
    message = done.err.strip()
    reason = reason_of(message)
    if done.code == 124 and not message.count("daemon"):
        return GpuTrial("unknown", reason or "the engine gave no answer")
    if re.search(r'exec: \\?"sh\\?"', message):  # it came as far as its command
        return GpuTrial("started")
    if re.search(
        r"no such image|unable to find image|cannot connect|manifest", message, re.IGNORECASE
    ):
        return GpuTrial("unknown", reason)
    return GpuTrial("refused", reason or f"exit code {done.code}")


def reason_of(message: str) -> str:
    """One line of an engine's message: the driver's own words if it has some."""
    lines = [line for line in message.splitlines() if line.strip()]
    head = next(
        (one for one in lines if re.search(r"error", one, re.IGNORECASE)), lines[0] if lines else ""
    )
    inner = re.search(r"(nvidia-container-cli|nvidia-ctk|nvidia-cdi-hook)\S*: .*", message)
    text = inner[0] if inner else head.removeprefix("docker: ")
    text = re.sub(r"^(Error response from daemon|Error):\s*", "", text)
    text = re.sub(r"(: unknown)?[.]?(\s*See '.*')?$", "", text.strip())
    return _line(text)


def _line(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= 200 else f"{one[:197]}..."


def _path(engine: GpuEngine, host: HostGpus, handover: GpuHandover) -> Path:
    gpus = host.nvidia or host.amd
    parts = [
        engine.identity, list(engine.runtimes), list(engine.cdi_devices), engine.has_hook,
        list(handover.options), "" if gpus is None else gpus.driver, gpus and gpus.count,
    ]  # fmt: skip
    name = sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return cache_folder() / "gpu" / f"{name[:32]}.json"
