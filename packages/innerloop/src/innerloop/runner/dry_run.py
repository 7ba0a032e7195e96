"""The output of a dry run: lines for people, or one JSON object for programs."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..model.run import Request, Run
from ..util import console
from ..util.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would happen, and do nothing"
    )
    parser.add_argument("--json", action="store_true", help="with --dry-run: one JSON object")


def require_dry(args: argparse.Namespace) -> None:
    """UsageError for --json without --dry-run."""
    if args.json and not args.dry_run:
        raise UsageError(
            "--json prints what would happen", code="option-needs-another", hint="Add --dry-run"
        )


def summary(
    run: Run, requests: Sequence[Mapping[str, Any]], notes: Sequence[str] = (), script: str = ""
) -> dict[str, Any]:
    """The JSON object of a run of several steps or trials, with the keys of a single request.

    Nothing is started for the run itself, so its argv is empty. `script` is what a cluster gets for all.
    """
    backends = [request["backend"] for request in requests if "backend" in request]
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
        "notes": [*run.notes, *notes],
        **({"script": script} if script else {}),
    }


def show_several(
    summary: Mapping[str, Any],
    noun: str,
    requests: Sequence[Mapping[str, Any]],
    *,
    as_json: bool,
) -> None:
    """Print a run of several `requests`; `noun` is "steps" or "trials"."""
    if as_json:
        console.print_json({**summary, noun: requests})
        return
    for request in requests:
        name = noun.removesuffix("s")
        about = ", ".join(request.get("needs", [])) or assignments(request.get("values", {}))
        print(f"{name:8} {request[name]}{f' ({about})' if about else ''}")
        for line in _lines(request) if "argv" in request else [f"problem  {request['problem']}"]:
            print(f"  {line}")
    for note in summary["notes"]:
        print(f"note     {note}")
    print("\n".join([f"outputs  {summary['outputs']}", *_script(summary)]), flush=True)


def assignments(values: Mapping[str, str]) -> str:
    """`name=value, name=value`."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def show(request: Request, more: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a request; `more` are further keys of the JSON object."""
    document = {**request.json(), **more}
    if as_json:
        console.print_json(document)
        return
    print("\n".join(_lines(document)), flush=True)


def _lines(request: Mapping[str, Any]) -> Iterator[str]:
    """A request for people to read."""
    yield f"backend  {request['backend']} ({request['why']})"
    if request["image"]:
        yield f"image    {request['image']}"
    yield f"cwd      {request['cwd']}"
    yield f"command  {request['command']}"
    for key, value in request["env"].items():
        yield f"env      {key}={value}"
    for mount in request["mounts"]:
        mode = " (read-only)" if mount["read_only"] else ""
        yield f"mount    {mount['source']} -> {mount['target']}{mode}"
    if request["outputs"]:
        yield f"outputs  {request['outputs']}"
    for rank, variables in enumerate(request["processes"]):
        yield f"process  {rank}: {assignments(variables)}"
    for note in request["notes"]:
        yield f"note     {note}"
    if request["argv"]:
        yield f"argv     {shlex.join(request['argv'])}"
    yield from _script(request)


def _script(request: Mapping[str, Any]) -> Iterator[str]:
    for index, line in enumerate(request.get("script", "").splitlines()):
        yield f"{'script' if not index else '':8} {line}".rstrip()
