"""Train a support vector machine to read handwritten digits.

    python train.py
    python train.py --train_size 10000 --data_path ./data

The classifier is scikit-learn's SVC with a radial kernel. The data are MNIST if its files are in
--data_path, else scikit-learn's digits (common/digits.py). It takes about 2 seconds on one CPU core;
expect a test accuracy of 99 % on scikit-learn's digits.

The results are in --output_path (./outputs): metrics.json, confusion.png (which digit was read as
which), and model/ for serving: model.skops (for skops.io.load, which runs no code) and model.json.
"""

from __future__ import annotations

import argparse
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import skops.io
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score
from sklearn.svm import SVC

from common.digits import DATASETS, load, split
from common.results import whole_file, write_json

DATA_PATH = Path(__file__).resolve().parent.parent.parent / "data" / "mnist"  # of the workspace
SCALE = 255.0
FORMAT = 1  # of the model's folder; a server refuses other formats


def as_rows(images: np.ndarray) -> np.ndarray:
    """(n, 28, 28) with values from 0 to 255 -> (n, 784) with values from 0 to 1."""
    return images.reshape(len(images), -1) / SCALE


def fit(images: np.ndarray, labels: np.ndarray, c: float = 5.0) -> SVC:
    """The classifier for uint8 images (n, 28, 28); `c` is the penalty of an error."""
    return SVC(C=c, kernel="rbf", gamma="scale").fit(as_rows(images), labels)


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Train, test, and write the results; returns the content of metrics.json."""
    started = time.perf_counter()
    images, labels, dataset = load(args.data_path, args.dataset)
    training, validation, test = split(len(labels))
    training = training[: args.train_size]
    model = fit(images[training], labels[training], args.c)
    predictions = model.predict(as_rows(images[test]))
    metrics = {
        "dataset": dataset,
        "test_accuracy": accuracy_score(labels[test], predictions),
        "validation_accuracy": model.score(as_rows(images[validation]), labels[validation]),
        "train_size": len(training),
        "support_vectors": len(model.support_),
        "seconds": time.perf_counter() - started,
        "c": args.c,
    }
    accuracy = f"test accuracy {metrics['test_accuracy']:.2%} on {len(test):,} digits of {dataset}"
    print(f"{accuracy}, {len(training):,} learned in {metrics['seconds']:.1f} s")
    write_json(args.output_path / "metrics.json", metrics)
    about = {name: metrics[name] for name in ("dataset", "train_size", "test_accuracy")}
    save_model(args.output_path / "model", model, about)
    draw_confusion(args.output_path / "confusion.png", labels[test], predictions, accuracy)
    return metrics


def save_model(folder: Path, model: SVC, about: dict[str, Any]) -> None:
    """Write what serving needs, usable without this code; `about` is added to model.json."""
    with whole_file(folder / "model.skops") as temporary:
        skops.io.dump(model, temporary, compression=zipfile.ZIP_DEFLATED)
    content = {
        "format": FORMAT,
        "input": {"shape": ["n", 28, 28], "values": "0 background, 255 ink", "scale": SCALE},
        "classes": [str(digit) for digit in model.classes_],
        "scikit-learn": sklearn.__version__,
    }
    write_json(folder / "model.json", {**content, **about})


def draw_confusion(path: Path, labels: np.ndarray, predictions: np.ndarray, title: str) -> None:
    """The confusion matrix as a PNG."""
    axes = Figure(figsize=(5.6, 5.6), layout="constrained").subplots()
    ConfusionMatrixDisplay.from_predictions(labels, predictions, ax=axes, colorbar=False)
    axes.set_title(title)
    with whole_file(path) as temporary:
        axes.figure.savefig(temporary, dpi=120)


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--train_size", type=int, default=10_000, help="digits to learn from at most (10000)")
    add("--data_path", type=Path, default=DATA_PATH, help="MNIST's folder (the workspace's)")
    add("--dataset", choices=DATASETS, default="auto", help="MNIST if it is there (auto)")
    add("--c", type=float, default=5.0, help="the penalty of an error (5)")
    add("--output_path", type=Path, default=Path("outputs"), help="for the results (./outputs)")
    return parser.parse_args(words)


if __name__ == "__main__":
    train(parse_args())
