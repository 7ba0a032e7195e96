"""The image that a cluster needs: the job's environment with its code, in the registry."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ..model.experiment import JOB_FILE
from ..remote.argo import images, plan
from ..remote.argo.images import RunImage
from ..remote.progress import megabytes
from ..util.errors import UserError
from ..workspace import loader
from ..workspace.root import root_of

EXAMPLES = """A pod has no folder of this machine to mount. Its image is that of the job's environment, as
`loop build` makes it, with one more layer: the files of `code:` that Azure ML would get (links
followed, .amlignore obeyed). It has a name with the digest of what is in it, so that the same code
is built and pushed once; what is printed is its reference by the registry's own digest.

It wants [tool.innerloop] registry = "ghcr.io/owner/name" in pyproject.toml and a `docker login`.
`loop submit --backend argo` pushes by itself; orchestration/argo/EXP.yml starts what was pushed last.

examples:
  loop image push digit_recognition
  loop image push digit_recognition --dry-run       what would be in it, and whether it is there
  loop image push digit_recognition --file pipeline.yml --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["push"], help="push")
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--file", help=f"the job file (default: {JOB_FILE})")
    parser.add_argument("--dry-run", action="store_true", help="says what it would do")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument(
        "--allow-secrets", action="store_true", help="takes files that look like secrets, too"
    )


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment, file = loader.choose_job(workspace, args.experiment, args.file, args.cwd)
    job = loader.open_job(workspace, experiment, file)
    jobs = plan.jobs_of(workspace, job)
    wanted = list(images.of_jobs(workspace, experiment, jobs).values())
    if not args.dry_run:
        images.require_registry(workspace)
    told: list[dict[str, Any]] = []
    for one in wanted:
        there = images.found(one) if workspace.settings.registry else one
        if not args.dry_run and not there.digest:
            plan.refuse_secrets([one], args.allow_secrets)
            there = images.push(workspace, experiment, one, _say)
            told.append(_row(there, "pushed"))
        else:
            told.append(_row(there, "there" if there.digest else "missing"))
        if not args.json:
            _show(told[-1], there, dry=args.dry_run)
    if args.json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    if not wanted:
        _say(f"{job.name} brings no code, and names an image that somebody else built")
    if args.dry_run and (lacking := [one.missing for one in wanted if one.missing]):
        raise lacking[0]
    if args.dry_run and not workspace.settings.registry:
        _registry_note()
    return 0


def _row(image: RunImage, state: str) -> dict[str, Any]:
    return {
        "reference": image.reference,
        "name": image.named,
        "moving": image.moving,
        "digest": image.digest,
        "state": state,
        "environment": image.base.name if image.base else None,
        "code": image.code.folder if image.code else None,
        "files": [one.name for one in image.code.files] if image.code else [],
    }


def _show(row: dict[str, Any], image: RunImage, *, dry: bool) -> None:
    if not dry:
        if row["state"] == "there":
            _say(f"{image.named} is there already: the same environment and code")
        print(row["reference"], flush=True)
        return
    states = {"there": "there already", "missing": "to be pushed"}
    print(f"image        {row['reference']} ({states[row['state']]})")
    print(f"environment  {row['environment'] or 'none on this machine'}")
    if image.code:
        count = len(image.code.files)
        print(f"code         {row['code']}: {count} files, {megabytes(image.code.size)}")


def _registry_note() -> None:
    try:
        images.require_registry(loader.open_workspace(root_of(sys.argv[0])))
    except UserError as mistake:
        _say(f"a real push needs more: {mistake.message()}")


def _say(text: str) -> None:
    text = text.removeprefix("innerloop: ")
    print(f"innerloop: {text}", file=sys.stderr, flush=True)
