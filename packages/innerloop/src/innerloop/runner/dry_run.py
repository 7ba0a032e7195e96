"""What a dry run prints: for people, or one JSON object for programs."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..model.run import Request, Run
from ..util.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="says what would happen, does nothing"
    )
    parser.add_argument("--json", action="store_true", help="with --dry-run: one JSON object")


def require_dry(args: argparse.Namespace) -> None:
    if args.json and not args.dry_run:
        raise UsageError("--json says what would happen", hint="Add --dry-run")


def whole(
    run: Run, parts: Sequence[Mapping[str, Any]], lacking: Sequence[str] = ()
) -> dict[str, Any]:
    """What a run of several parts is as one: nothing is started for itself."""
    backends = [part["backend"] for part in parts if "backend" in part]
    return {
        "experiment": run.experiment.name,
        "backend": backends[0] if backends else "auto",
        "command": "",
        "argv": [],
        "cwd": run.workspace.root,
        "env": {},
        "image": None,
        "mounts": [],
        "outputs": run.outputs,
        "notes": [*run.notes, *lacking],
    }


def show_parts(
    told: Mapping[str, Any], noun: str, parts: Sequence[Mapping[str, Any]], *, as_json: bool
) -> None:
    """`told` is `whole` of the parts, which are "steps" or "trials"."""
    if as_json:
        print(json.dumps({**told, noun: parts}, indent=2, ensure_ascii=False))
        return
    for part in parts:
        name = noun.removesuffix("s")
        about = ", ".join(part.get("needs", [])) or listed(part.get("values", {}))
        print(f"{name:8} {part[name]}{f' ({about})' if about else ''}")
        for line in _lines(part) if "argv" in part else [f"problem  {part['problem']}"]:
            print(f"  {line}")
    for note in told["notes"]:
        print(f"note     {note}")
    print(f"outputs  {told['outputs']}", flush=True)


def listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def show(request: Request, more: Mapping[str, Any], *, as_json: bool) -> None:
    """`more` is said in JSON beside the request's own keys."""
    told = {**request.json(), **more}
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    print("\n".join(_lines(told)), flush=True)


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    """A request as a person reads it."""
    yield f"place    {told['backend']} ({told['why']})"
    if told["image"]:
        yield f"image    {told['image']}"
    yield f"cwd      {told['cwd']}"
    yield f"command  {told['command']}"
    for key, value in told["env"].items():
        yield f"env      {key}={value}"
    for mount in told["mounts"]:
        only = " (read-only)" if mount["read_only"] else ""
        yield f"mount    {mount['source']} -> {mount['target']}{only}"
    if told["outputs"]:
        yield f"outputs  {told['outputs']}"
    for rank, variables in enumerate(told["processes"]):
        yield f"process  {rank}: {listed(variables)}"
    for note in told["notes"]:
        yield f"note     {note}"
    if told["argv"]:
        yield f"argv     {shlex.join(told['argv'])}"
