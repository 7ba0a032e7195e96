"""Hands a model on to be registered, after evaluate.py has passed it.

    python register.py --model outputs/model --evaluation outputs/evaluation.json --to registered

Copies the model's folder to --to, with registration.json: how good it is, by which threshold, and the
sha256 of each file. It talks to nobody. In the Azure ML pipeline --to is an output that has a name,
and Azure ML itself makes what lies there the next version of the model of that name once this step
has ended well; so a model that was not passed can never be one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from common.results import output_folder, write_json


def register(model: Path, evaluation: Path, to: Path) -> dict[str, Any]:
    """What registration.json holds. Ends the program, before anything is copied, for a model that
    was not passed."""
    file = evaluation / "evaluation.json" if evaluation.is_dir() else evaluation
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"register.py: {file} cannot be read: {error}")
    if told.get("passed") is not True:
        sys.exit(f"register.py: {file} says that this model was not passed: it is not registered.")
    files = sorted(one for one in model.rglob("*") if one.is_file())
    if not files:
        sys.exit(f"register.py: there is no model in {model}.")
    output_folder(to)
    digests = {}
    for one in files:
        name = one.relative_to(model)
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one, to / name)  # the content alone: a mounted store keeps no modes
        digests[name.as_posix()] = sha256(one)
    record = {**told, "files": digests}
    write_json(to / "registration.json", record)
    return record


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", type=Path, required=True, help="the folder that train.py made for serving")
    add("--evaluation", type=Path, required=True, help="evaluation.json, or the folder it is in")
    add("--to", type=Path, required=True, help="where the registered model goes")
    return parser.parse_args(words)


if __name__ == "__main__":
    given = parse()
    made = register(**vars(given))
    count = len(made["files"])
    print(f"{count} files with accuracy {made['accuracy']:.2%} are in {given.to}")
    if os.environ.get("AZUREML_ARM_WORKSPACE_NAME"):
        print("Azure ML registers them when this step has ended.")
    else:
        print("Nothing was sent: registration happens where this runs as a step on Azure ML.")
