"""What this machine has and lacks, a line per fact, with its mend."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import engine, environments, loading, process
from ..errors import Mistake

SUMMARY = "Says what is missing on this machine, and how to mend it."
EXAMPLES = """examples:
  loop doctor
  loop doctor --json
  loop doctor --azure      the Azure ML workspace: configuration, sign-in, computes, quota
"""

GB = 1024**3


@dataclass(frozen=True, slots=True)
class Fact:
    """`state` is "ok", "note" (works, with less) or "bad" (something will not work)."""

    state: str
    name: str
    what: str
    mend: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("--azure", action="store_true", help="asks the Azure ML workspace instead")


def run(args: argparse.Namespace) -> int:
    facts = list(_azure(args.root) if args.azure else _facts(args.root))
    if args.json:
        print(json.dumps([asdict(fact) for fact in facts], indent=2))
    else:
        for fact in facts:
            sign = {"ok": "ok  ", "note": "note", "bad": "BAD "}[fact.state]
            print(f"{sign}  {fact.name:<17} {fact.what}")
            if fact.mend:
                print(f"{'':<24}-> {fact.mend}")
    return 1 if any(fact.state == "bad" for fact in facts) else 0


def _facts(root: Path) -> Iterator[Fact]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Fact("ok", "python", f"{version} runs this tool")
    yield _cache()
    yield from _engine()
    yield _gpu()
    yield _disk(root)
    yield from _programs()
    yield _links(root)
    yield from _experiments(root)


def _azure(root: Path) -> Iterator[Fact]:
    from .. import azure_facts

    for fact in azure_facts.facts(root):
        yield Fact(*fact)


def _engine() -> Iterator[Fact]:
    facts = engine.ask("innerloop-doctor")
    if not facts.answers:
        yield Fact("note", "docker engine", f"{facts.why}; runs use the place venv", facts.mend)
        return
    owners = "files get their owner by file sharing" if facts.maps_owners else "runs as you"
    yield Fact("ok", "docker engine", f"answers; {owners}")
    if process.run(["docker", "buildx", "version"]).ok:
        yield Fact("ok", "buildx", "builds use BuildKit")
    else:
        yield Fact(
            "note", "buildx", "not there; builds use the older builder", "Install docker-buildx"
        )
    if engine.has_gpu() and not facts.has_nvidia:
        yield Fact(
            "note",
            "nvidia runtime",
            "there is a GPU, but the engine cannot hand it over",
            "Install the NVIDIA Container Toolkit and restart the engine",
        )


def _gpu() -> Fact:
    if engine.has_gpu():
        return Fact("ok", "gpu", "an NVIDIA GPU with its driver")
    return Fact("note", "gpu", "no NVIDIA GPU here; runs use the CPU")


def _disk(root: Path) -> Fact:
    free = shutil.disk_usage(root).free / GB
    state = "ok" if free > 20 else "note" if free > 8 else "bad"
    mend = "" if state == "ok" else "An image with CUDA takes 7 GB: `docker image prune` frees some"
    return Fact(state, "disk", f"{free:.0f} GB free", mend)


def _cache() -> Fact:
    folder = environments.cache_folder()
    if os.access(folder, os.W_OK):
        return Fact("ok", "cache", str(folder))
    return Fact(
        "bad", "cache", f"{folder} cannot be written", "Set INNERLOOP_CACHE to another folder"
    )


def _programs() -> Iterator[Fact]:
    wanted = [
        (
            "bash",
            "bad",
            "runs the job's command in the place venv",
            "Install bash (Git for Windows)",
        ),
        ("git", "note", "", "Install git"),
        ("uv", "note", "environments are made faster with it", "`pip install uv`"),
        (
            "devcontainer",
            "note",
            "opens dev containers from a terminal",
            "`npm install -g @devcontainers/cli`",
        ),
        (
            "code",
            "note",
            "VS Code's command line",
            "In VS Code: Shell Command: Install 'code' command in PATH",
        ),
    ]
    for program, state, use, mend in wanted:
        path = process.found(program)
        if path is not None:
            yield Fact("ok", program, path)
        else:
            yield Fact(state, program, f"not on PATH{f' ({use})' if use else ''}", mend)


def _links(root: Path) -> Fact:
    """git writes a link as a text file where the system refused to make one."""
    text = [
        path
        for path in root.glob("src/*/common/*")
        if path.is_file()
        and not path.is_symlink()
        and path.stat().st_size < 200
        and path.read_bytes().startswith(b"../")
    ]
    if text:
        return Fact(
            "bad",
            "symbolic links",
            f"git wrote {text[0].relative_to(root).as_posix()} as a text file",
            "Turn Developer Mode on, then `git config core.symlinks true` and check the files out again",
        )
    return Fact("ok", "symbolic links", "kept by this checkout")


def _experiments(root: Path) -> Iterator[Fact]:
    workspace = loading.open_workspace(root)
    for name in workspace.experiments:
        try:
            experiment = loading.open_experiment(workspace, name)
            loading.open_job(workspace, experiment)
        except Mistake as mistake:
            yield Fact("bad", name, mistake.sentence())
        else:
            yield Fact("ok", name, "its files can be read")
