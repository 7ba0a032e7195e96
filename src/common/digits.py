"""Handwritten digits as NumPy arrays: images (n, 28, 28), 0 background to 255 ink, and labels (n,).

Two data sets: "mnist", read from the files that torchvision downloads, and "sklearn-digits", the
1,797 digits that are part of scikit-learn, enlarged to the size of MNIST's. Name the data set next
to every score: scores on one do not compare with scores on the other.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

DATASETS = ("auto", "mnist", "sklearn-digits")


def load(data_path: Path, dataset: str = "auto") -> tuple[np.ndarray, np.ndarray, str]:
    """Images (uint8), labels and the name of the data set; "auto": MNIST if it is in `data_path`.

    Raises FileNotFoundError if `dataset` is "mnist" and its files are missing.
    """
    raw = Path(data_path) / "MNIST" / "raw"
    if dataset == "auto":
        dataset = "mnist" if (raw / "train-labels-idx1-ubyte").exists() else "sklearn-digits"
    if dataset == "sklearn-digits":
        return *sklearn_digits(), "sklearn-digits"
    # The IDX format: a head of 16 or 8 bytes, then the values.
    images = np.fromfile(raw / "train-images-idx3-ubyte", np.uint8, offset=16)
    labels = np.fromfile(raw / "train-labels-idx1-ubyte", np.uint8, offset=8)
    return images.reshape(-1, 28, 28), labels, "mnist"


def sklearn_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels; like MNIST's, the digits fill a box of 20x20 pixels in the middle."""
    digits = load_digits()  # 8x8 pixels, values 0 to 16
    box = zoom(digits.images, (1, 2.5, 2.5), order=1) / 16
    images = np.pad(box, ((0, 0), (4, 4), (4, 4))) * 255
    return images.round().astype(np.uint8), digits.target.astype(np.uint8)


def split(count: int) -> list[np.ndarray]:
    """Positions for training, validation and test, the same on every machine.

    Of MNIST's 60,000 digits 5,000 validate and 5,000 test; of a smaller set, a sixth each.
    """
    held_out = min(5_000, count // 6)
    order = np.random.RandomState(0).permutation(count)
    return np.split(order, [count - 2 * held_out, count - held_out])
