"""Push the image that a cluster needs: the job's environment with its code."""

from __future__ import annotations

import argparse
from typing import Any

from ..model.experiment_paths import JOB_FILE
from ..remote import suspects
from ..remote.argo import images, plan
from ..remote.argo.images import RunImage
from ..remote.progress import format_size, say
from ..util import console
from ..util.errors import UserError
from ..workspace import loader

EXAMPLES = """A pod cannot mount a folder of this machine. Its image is the job's environment, as `loop build`
builds it, with one more layer: the files of `code:` that Azure ML would get (links followed,
.amlignore applied). The image's name has a digest of its content, so the same code is built and
pushed once; the command prints the reference with the registry's digest.

It needs [tool.innerloop] registry = "ghcr.io/owner/name" in pyproject.toml and a `docker login`.
`loop submit --backend argo` pushes too; orchestration/argo/EXP.yml starts what was pushed last.

examples:
  loop image push digit_recognition
  loop image push digit_recognition --dry-run       its content, and whether the registry has it
  loop image push digit_recognition --file pipeline.yml --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["push"], help="push")
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--file", help=f"the job file (default: {JOB_FILE})")
    parser.add_argument("--dry-run", action="store_true", help="print what would be pushed")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument(
        "--allow-secrets", action="store_true", help="push files that look like secrets, too"
    )


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment, file = loader.choose_job(workspace, args.experiment, args.file, args.cwd)
    job = loader.open_job(workspace, experiment, file)
    jobs = plan.jobs_of(workspace, job)
    run_images = list(images.images_of_jobs(workspace, experiment, jobs).values())
    if not args.dry_run:
        images.require_registry(workspace)
    rows: list[dict[str, Any]] = []
    for image in run_images:
        known = images.with_registry_digest(image) if workspace.settings.registry else image
        if not args.dry_run and not known.digest:
            suspects.refuse(image.suspects, args.allow_secrets, plan.READERS)
            known = images.push(workspace, experiment, image, say)
            rows.append(_row(known, "pushed"))
        else:
            rows.append(_row(known, "there" if known.digest else "missing"))
        if not args.json:
            _show(rows[-1], known, dry=args.dry_run)
    if args.json:
        console.print_json(rows)
    if not run_images:
        say(f"innerloop: {job.name} brings no code and names an existing image")
    if args.dry_run and (missing := [image.missing for image in run_images if image.missing]):
        raise missing[0]
    if args.dry_run and not workspace.settings.registry:
        try:
            images.require_registry(workspace)
        except UserError as error:
            say(f"innerloop: a real push needs more: {error.message()}")
    return 0


def _row(image: RunImage, state: str) -> dict[str, Any]:
    return {
        "reference": image.reference,
        "name": image.named,
        "moving": image.floating_name,
        "digest": image.digest,
        "state": state,
        "environment": image.base.name if image.base else None,
        "code": image.code.folder if image.code else None,
        "files": [file.name for file in image.code.files] if image.code else [],
    }


def _show(row: dict[str, Any], image: RunImage, *, dry: bool) -> None:
    if not dry:
        if row["state"] == "there":
            say(f"innerloop: {image.named} is in the registry already")
        print(row["reference"], flush=True)
        return
    states = {"there": "in the registry already", "missing": "to be pushed"}
    print(f"image        {row['reference']} ({states[row['state']]})")
    print(f"environment  {row['environment'] or 'none on this machine'}")
    if image.code:
        count = len(image.code.files)
        print(f"code         {row['code']}: {count} files, {format_size(image.code.size)}")
