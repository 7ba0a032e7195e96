"""Check that a trained model is good enough to be registered.

    python evaluate.py --model outputs/model --threshold 0.9

The saved program (model.pt2) reads the test digits of the data set that it was trained on, as a
server would: without the code of this experiment. The result is in evaluation.json in --output_path
(./outputs). The exit code is 1 if the accuracy is below the threshold, which stops a pipeline here.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from common.digits import load, split
from common.results import write_json

DATA_PATH = Path(__file__).resolve().parent.parent.parent / "data" / "mnist"  # of the workspace


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """Test the model and write evaluation.json; returns its content."""
    about = json.loads((args.model / "model.json").read_text(encoding="utf-8"))
    program = torch.export.load(args.model / "model.pt2").module()
    images, labels, dataset = load(args.data_path, about["dataset"])
    test = split(len(labels))[2]
    predictions = program(torch.tensor(images[test])).argmax(1)
    accuracy = (predictions == torch.tensor(labels[test])).float().mean().item()
    result = {
        "accuracy": accuracy,
        "threshold": args.threshold,
        "passed": accuracy >= args.threshold,
        "dataset": dataset,
        "digits": len(test),
    }
    write_json(args.output_path / "evaluation.json", result)
    return result


def share(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", type=Path, required=True, help="the model's folder that train.py wrote")
    add("--threshold", type=share, required=True, help="the accuracy to reach, 0 to 1")
    add("--data_path", type=Path, default=DATA_PATH, help="as for train.py")
    add("--output_path", type=Path, default=Path("outputs"), help="for the result (./outputs)")
    return parser.parse_args(words)


if __name__ == "__main__":
    result = evaluate(parse_args())
    accuracy = "accuracy {accuracy:.2%} on {digits:,} digits of {dataset}".format(**result)
    if not result["passed"]:
        sys.exit(f"evaluate.py: {accuracy} is below the threshold {result['threshold']:.2%}")
    print(f"{accuracy} reaches the threshold {result['threshold']:.2%}")
