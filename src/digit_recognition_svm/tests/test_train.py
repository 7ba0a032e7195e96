"""Training on a tiny set, and what a whole run leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skops.io

import train
from common.digits import idx_bytes, load, split


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


def test_images_become_rows_from_0_to_1():
    rows = train.as_rows(np.full((2, 28, 28), 255, np.uint8))
    assert rows.shape == (2, 784) and rows.max() == 1.0


def test_a_run_learns_and_leaves_metrics_picture_and_model(data, tmp_path):
    metrics = train.train(train_size=500, data_path=data, output_path=tmp_path)
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.9 and metrics["train_size"] == 500
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    model = skops.io.load(tmp_path / "model/model.skops")  # trusts scikit-learn's own types alone
    about = json.loads((tmp_path / "model/model.json").read_text())
    assert about["format"] == 1 and about["classes"] == list("0123456789")
    assert about["test_accuracy"] == metrics["test_accuracy"]
    images, labels = load(data)
    test = split(len(labels))[2]
    right = model.predict(train.as_rows(images[test])) == labels[test]
    assert right.mean() == pytest.approx(metrics["test_accuracy"])


def test_the_plain_command_runs_from_any_folder(data, tmp_path):
    script = str(Path(train.__file__))
    command = [sys.executable, script, "--train_size", "200", "--data_path", str(data)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout and "of MNIST" in done.stdout
    assert (tmp_path / "outputs" / "metrics.json").is_file()


@pytest.mark.parametrize("size", ["0", "99", "many"])
def test_a_wrong_size_is_named(size, capsys):
    with pytest.raises(SystemExit) as end:
        train.parse(["--train_size", size])
    assert end.value.code == 2 and "--train_size" in capsys.readouterr().err
