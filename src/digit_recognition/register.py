"""Copy a model that passed evaluate.py to the folder that is registered.

    python register.py --model outputs/model --evaluation outputs/evaluation.json --to registered

Next to the copy, registration.json holds the evaluation and the SHA-256 of every file. The program
contacts no service: in the Azure ML pipeline --to is a named output, and Azure ML registers its
content as the next version of the model when this step has succeeded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from common.results import write_json


def register(args: argparse.Namespace) -> dict[str, Any]:
    """Copy the model and write registration.json; exits before that if the model did not pass."""
    file = args.evaluation / "evaluation.json" if args.evaluation.is_dir() else args.evaluation
    evaluation = json.loads(file.read_text(encoding="utf-8"))
    if evaluation.get("passed") is not True:
        sys.exit(f"register.py: the model did not pass ({file}): it is not registered")
    digests = {}
    for source in sorted(path for path in args.model.rglob("*") if path.is_file()):
        name = source.relative_to(args.model)
        (args.to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, args.to / name)  # content only: a mounted store keeps no modes
        digests[name.as_posix()] = hashlib.sha256(source.read_bytes()).hexdigest()
    if not digests:
        sys.exit(f"register.py: no model in {args.model}")
    record = {**evaluation, "files": digests}
    write_json(args.to / "registration.json", record)
    return record


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", type=Path, required=True, help="the model's folder that train.py wrote")
    add("--evaluation", type=Path, required=True, help="evaluation.json or its folder")
    add("--to", type=Path, required=True, help="the folder that is registered")
    return parser.parse_args(words)


if __name__ == "__main__":
    args = parse_args()
    record = register(args)
    print(f"{len(record['files'])} files with accuracy {record['accuracy']:.2%} are in {args.to}")
