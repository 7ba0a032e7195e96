"""Data for the tests: small, and learned in a second."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data_path(tmp_path_factory):
    """1,200 images in MNIST's files: each digit is a bright bar at its own height."""
    path = tmp_path_factory.mktemp("data")
    raw = path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.RandomState(0)
    for part in ("train", "t10k"):
        labels = random.randint(0, 10, 1200).astype(np.uint8)
        images = random.randint(0, 60, (1200, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label + 3 : 2 * label + 5, 4:24] = 255
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (raw / f"{part}-{name}-ubyte").write_bytes(head + array.tobytes())
    return path
