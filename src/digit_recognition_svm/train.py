"""Trains a support vector machine to read handwritten digits.

    python train.py
    python train.py --train_size 10000 --data_path ./data

Scikit-learn's SVC with a radial kernel, on the first --train_size of 50,000 training digits;
5,000 others test it. The data are MNIST, downloaded the first time; without a way to the internet,
digits that ship with scikit-learn (common/digits.py), and every line that names a score says which.
CPU only.

It takes about 12 seconds on one core, 45 with all 50,000 digits, and 5 more the first time. Expect
on scikit-learn's digits a test accuracy near 98 %; on MNIST it was not measured where this was
written, and takes longer (its digits differ more, which makes more support vectors).

Into --output_path (./outputs) it writes

    metrics.json     accuracies and seconds
    confusion.png    which digit was read as which
    model/           what serving needs: the classifier (model.skops, for skops.io.load: a file
                     that runs no code when it is read), and what it is (model.json)
"""

from __future__ import annotations

import argparse
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import skops.io
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.svm import SVC

from common.digits import NoDigits, default_data_path, load, prepare, split
from common.results import output_folder, whole_file, write_json

SCALE = 255.0
FORMAT = 1  # of the model's folder; a server refuses one that it does not know


def as_rows(images: np.ndarray) -> np.ndarray:
    """(n, 28, 28) of 0 to 255 -> (n, 784) of 0 to 1."""
    return images.reshape(len(images), -1) / SCALE


def fit(images: np.ndarray, labels: np.ndarray, c: float = 5.0) -> SVC:
    """The classifier for uint8 images (n, 28, 28); `c` is the price of a digit misread."""
    return SVC(C=c, kernel="rbf", gamma="scale").fit(as_rows(images), labels)


def draw_confusion(path: Path, labels: np.ndarray, answers: np.ndarray, title: str) -> None:
    """Which digit was read as which, as a PNG: the mistakes are coloured, all counts are written."""
    import matplotlib

    matplotlib.use("Agg")  # no screen needed
    import matplotlib.pyplot as plt

    counts = confusion_matrix(labels, answers, labels=range(10))
    mistakes = np.where(np.eye(10, dtype=bool), 0, counts)
    figure, axes = plt.subplots(figsize=(5.6, 5.6), layout="constrained")
    axes.imshow(mistakes, cmap="Oranges")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axes.text(column, row, count, ha="center", va="center", fontsize=8)
    axes.set(xlabel="read as", ylabel="is", xticks=range(10), yticks=range(10), title=title)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)


def save_model(folder: Path, model: SVC, about: Mapping[str, Any]) -> None:
    """What serving needs, as a folder that stands without this code; `about` goes into model.json:
    data, scores, whatever tells it apart."""
    with whole_file(folder / "model.skops") as temporary:
        skops.io.dump(model, temporary, compression=zipfile.ZIP_DEFLATED)
    write_json(
        folder / "model.json",
        {
            "format": FORMAT,
            "input": {"shape": ["n", 28, 28], "values": "0 background, 255 ink", "scale": SCALE},
            "classes": [str(digit) for digit in model.classes_],
            "scikit-learn": sklearn.__version__,
            **about,
        },
    )


def train(
    train_size: int = 10_000,
    data_path: Path | None = None,
    c: float = 5.0,
    output_path: Path = Path("outputs"),
    dataset: str = "auto",
) -> dict[str, Any]:
    """The whole run, from the data to the files in `output_path`; returns what metrics.json holds."""
    output_folder(output_path)
    data = prepare(data_path or default_data_path(__file__), dataset)
    print(data.sentence)
    images, labels = load(data.root, "train")
    training, validation, test = split(len(labels))
    training = training[:train_size]

    print(f"Training on {len(training):,} digits ...", flush=True)
    started = time.perf_counter()
    model = fit(images[training], labels[training], c)
    fit_seconds = time.perf_counter() - started
    print(f"  {fit_seconds:.1f} s, {len(model.support_):,} support vectors", flush=True)

    answers = {
        name: model.predict(as_rows(images[part]))
        for name, part in (("validation", validation), ("test", test))
    }
    metrics = {
        "dataset": data.name,
        "train_size": len(training),
        "validation_accuracy": accuracy_score(labels[validation], answers["validation"]),
        "test_accuracy": accuracy_score(labels[test], answers["test"]),
        "support_vectors": len(model.support_),
        "fit_seconds": fit_seconds,
        "seconds": time.perf_counter() - started,
        "c": c,
    }
    print(f"validation accuracy {metrics['validation_accuracy']:.2%}")
    print(
        f"test accuracy {metrics['test_accuracy']:.2%} on {len(test):,} digits of {data.name}, "
        f"{metrics['seconds']:.1f} s in all"
    )
    write_json(output_path / "metrics.json", metrics)
    about = ("dataset", "train_size", "test_accuracy")
    save_model(output_path / "model", model, {name: metrics[name] for name in about})
    title = f"{len(test):,} test digits of {data.name}"
    draw_confusion(output_path / "confusion.png", labels[test], answers["test"], title)
    print(f"Wrote metrics.json, confusion.png and model/ to {output_path}")
    return metrics


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--train_size", type=at_least_100, default=10_000, help="digits to train on (10000)")
    add("--data_path", type=Path, help="where the data lie (the workspace's data/mnist, or ./data)")
    add("--c", type=float, default=5.0, help="the price of a digit misread (5)")
    add("--output_path", type=Path, default=Path("outputs"), help="for the results (./outputs)")
    add(
        "--dataset",
        choices=("auto", "mnist", "digits"),
        default="auto",
        help="mnist or nothing, scikit-learn's digits, or what can be had (auto)",
    )
    return parser.parse_args(words)


def at_least_100(word: str) -> int:
    number = int(word)
    if number < 100:
        raise argparse.ArgumentTypeError(f"{word} digits are too few to have every one of the ten")
    return number


if __name__ == "__main__":
    try:
        train(**vars(parse()))
    except NoDigits as error:
        sys.exit(f"train.py: {error}")
    except KeyboardInterrupt:
        print("train.py: stopped", file=sys.stderr)
        sys.exit(130)
