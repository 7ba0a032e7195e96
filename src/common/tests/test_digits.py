import numpy as np
import pytest

from common.digits import load, split


@pytest.fixture
def mnist(tmp_path):
    """A folder with two digits in MNIST's training files."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(bytes(16 + 784) + b"\xff" * 784)
    (raw / "train-labels-idx1-ubyte").write_bytes(bytes(8) + b"\x03\x09")
    return tmp_path


def test_load_reads_mnist_if_it_is_there(mnist):
    images, labels, name = load(mnist)
    assert name == "mnist" and labels.tolist() == [3, 9]
    assert images.shape == (2, 28, 28) and images[0].max() == 0 and images[1].min() == 255


def test_load_without_mnist_returns_the_digits_of_scikit_learn(tmp_path):
    images, labels, name = load(tmp_path)
    assert name == "sklearn-digits" and len(images) == len(labels) == 1797
    assert images.dtype == np.uint8 and images.max() == 255
    assert images[:, 4:24, 4:24].sum() == images.sum()  # MNIST's box


def test_load_obeys_the_named_dataset(mnist, tmp_path):
    assert load(mnist, "sklearn-digits")[2] == "sklearn-digits"
    with pytest.raises(FileNotFoundError, match="train-images"):
        load(tmp_path / "empty", "mnist")


def test_split_is_disjoint_complete_and_always_the_same():
    parts = split(60_000)
    assert [len(part) for part in parts] == [50_000, 5_000, 5_000]
    assert sorted(np.concatenate(parts)) == list(range(60_000))
    assert [len(part) for part in split(1797)] == [1199, 299, 299]
    assert split(1797)[2][:3].tolist() == [168, 1371, 1400]
