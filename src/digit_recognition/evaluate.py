"""Decides whether a trained model is good enough to be registered.

    python evaluate.py --model outputs/model --threshold 0.9

The model is taken as it would be served (the program model.pt2 that train.py saved, and no code of
ours) and reads the 5,000 digits that no training has seen. Into --output_path (./outputs) goes
evaluation.json. The exit code is 0 when the accuracy reaches the threshold and 1 when it does not:
whatever comes next in a pipeline then does not happen, and everybody sees why.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from common.digits import NoDigits, default_data_path, prepare
from common.results import output_folder, write_json
from feed import Digits, load_parts

PROGRAM = "model.pt2"


@torch.no_grad()
def accuracy(program: Any, digits: Digits, at_once: int = 1000) -> float:
    """The share of digits that `program` (uint8 images in, probabilities out) reads rightly."""
    right = 0
    for start in range(0, len(digits), at_once):
        images = digits.images[start : start + at_once, 0].mul(255).round().to(torch.uint8)
        answers = program(images).argmax(1)
        right += int((answers == digits.labels[start : start + at_once]).sum())
    return right / len(digits)


def evaluate(
    model: Path,
    threshold: float,
    data_path: Path | None = None,
    output_path: Path = Path("outputs"),
    dataset: str = "auto",
) -> dict[str, Any]:
    """What evaluation.json holds; `passed` is the verdict."""
    if not (model / PROGRAM).is_file():
        sys.exit(f"evaluate.py: there is no {PROGRAM} in {model}: train.py writes one into model/.")
    output_folder(output_path)
    data = prepare(data_path or default_data_path(__file__), dataset)
    _, _, test = load_parts(data.root, torch.device("cpu"))
    reached = accuracy(torch.export.load(model / PROGRAM).module(), test)
    result = {
        "accuracy": reached,
        "threshold": threshold,
        "passed": reached >= threshold,
        "dataset": data.name,
        "digits": len(test),
    }
    write_json(output_path / "evaluation.json", result)
    return result


def share(word: str) -> float:
    number = float(word)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{word} is no share between 0 and 1")
    return number


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", type=Path, required=True, help="the folder that train.py made for serving")
    add("--threshold", type=share, required=True, help="the accuracy to reach, 0 to 1")
    add("--data_path", type=Path, help="where the data lie (the workspace's data/mnist, or ./data)")
    add("--output_path", type=Path, default=Path("outputs"), help="for the verdict (./outputs)")
    add("--dataset", choices=("auto", "mnist", "digits"), default="auto", help="as for train.py")
    return parser.parse_args(words)


if __name__ == "__main__":
    try:
        told = evaluate(**vars(parse()))
    except NoDigits as error:
        sys.exit(f"evaluate.py: {error}")
    verdict = f"accuracy {told['accuracy']:.2%} on {told['digits']:,} digits of {told['dataset']}"
    if not told["passed"]:
        sys.exit(
            f"evaluate.py: {verdict} is below the threshold {told['threshold']:.2%}: "
            "this model is not to be registered."
        )
    print(f"{verdict} reaches the threshold {told['threshold']:.2%}")
