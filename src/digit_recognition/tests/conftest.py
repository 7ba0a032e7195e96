"""Data for the tests: small, and learned in a second."""

import numpy as np
import pytest

from common.digits import idx_bytes


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Twelve hundred images in MNIST's files: each digit is a bright bar at its own height."""
    raw = tmp_path_factory.mktemp("data") / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.RandomState(0)
    for which, count in (("train", 1200), ("t10k", 100)):
        labels = random.randint(0, 10, count).astype(np.uint8)
        images = random.randint(0, 60, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label + 3 : 2 * label + 5, 4:24] = 255
        (raw / f"{which}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (raw / f"{which}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return raw.parents[1]
