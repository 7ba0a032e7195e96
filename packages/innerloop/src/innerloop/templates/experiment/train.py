"""Fits a straight line to points by gradient descent: replace it by your own experiment.

    python train.py --steps 200 --learning_rate 0.1

Takes a second; the slope should come out near 3 and the intercept near 1.
"""

import argparse
import json
import random
from pathlib import Path


def points(count: int, seed: int) -> list[tuple[float, float]]:
    """`count` points near the line y = 3 x + 1, with a little noise."""
    draw = random.Random(seed)
    xs = [draw.uniform(-1, 1) for _ in range(count)]
    return [(x, 3 * x + 1 + draw.gauss(0, 0.1)) for x in xs]


def fit(data: list[tuple[float, float]], steps: int, learning_rate: float) -> dict[str, float]:
    """Slope, intercept and mean squared error after `steps` steps of gradient descent."""
    slope = intercept = 0.0
    for _ in range(steps):
        errors = [(slope * x + intercept - y, x) for x, y in data]
        slope -= learning_rate * 2 * sum(error * x for error, x in errors) / len(data)
        intercept -= learning_rate * 2 * sum(error for error, _ in errors) / len(data)
    loss = sum((slope * x + intercept - y) ** 2 for x, y in data) / len(data)
    return {"slope": slope, "intercept": intercept, "loss": loss}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="steps of gradient descent")
    parser.add_argument("--learning_rate", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output_path", default="outputs", help="where the result is written")
    args = parser.parse_args()
    result = fit(points(200, args.seed), args.steps, args.learning_rate)
    print(" ".join(f"{name} {value:.4f}" for name, value in result.items()))
    output = Path(args.output_path)
    output.mkdir(parents=True, exist_ok=True)
    (output / "metrics.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
