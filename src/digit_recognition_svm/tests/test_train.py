"""Training on a small data set, and what a run writes."""

import json
import subprocess
import sys

import numpy as np
import pytest
import skops.io

import train
from common.digits import load, split


@pytest.fixture(scope="session")
def data_path(tmp_path_factory):
    """1,200 images in MNIST's files: each digit is a bright bar at its own height."""
    path = tmp_path_factory.mktemp("data")
    raw = path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.RandomState(0)
    labels = random.randint(0, 10, 1200).astype(np.uint8)
    images = random.randint(0, 60, (1200, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 3 : 2 * label + 5, 4:24] = 255
    (raw / "train-images-idx3-ubyte").write_bytes(bytes(16) + images.tobytes())
    (raw / "train-labels-idx1-ubyte").write_bytes(bytes(8) + labels.tobytes())
    return path


def test_as_rows_returns_rows_from_0_to_1():
    rows = train.as_rows(np.full((2, 28, 28), 255, np.uint8))
    assert rows.shape == (2, 784) and rows.max() == 1.0


def test_a_run_learns_and_writes_metrics_picture_and_model(data_path, tmp_path):
    words = ("--train_size", "500", "--data_path", data_path, "--output_path", tmp_path)
    metrics = train.train(train.parse_args([str(word) for word in words]))
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["dataset"] == "mnist" and metrics["train_size"] == 500
    assert metrics["test_accuracy"] > 0.9
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    model = skops.io.load(tmp_path / "model" / "model.skops")  # trusts scikit-learn's types alone
    about = json.loads((tmp_path / "model" / "model.json").read_text())
    assert about["format"] == 1 and about["classes"] == list("0123456789")
    assert about["test_accuracy"] == metrics["test_accuracy"]
    images, labels, _ = load(data_path)
    test = split(len(labels))[2]
    correct = model.predict(train.as_rows(images[test])) == labels[test]
    assert correct.mean() == pytest.approx(metrics["test_accuracy"])


def test_the_command_runs_from_any_folder_and_names_the_data(tmp_path):
    words = ("--train_size", "200", "--data_path", tmp_path)
    command = [sys.executable, train.__file__, *map(str, words)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout and "of sklearn-digits" in done.stdout
    assert (tmp_path / "outputs" / "metrics.json").is_file()


def test_a_wrong_argument_exits_with_2(capsys):
    with pytest.raises(SystemExit) as end:
        train.parse_args(["--train_size", "many"])
    assert end.value.code == 2 and "--train_size" in capsys.readouterr().err
