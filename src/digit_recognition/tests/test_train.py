"""One training step, and what a run writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.utils import set_seed

import data
import train
from model import DigitClassifier

SCRIPT = str(Path(train.__file__))


def trained(data_path, output_path, *words):
    words = ("--data_path", str(data_path), "--output_path", str(output_path), *words)
    return train.train(train.parse_args(list(words)))


def run(*words, launcher=(), cwd=None):
    """train.py as a person starts it; processes on CPUs need the variable to find each other."""
    return subprocess.run(
        [sys.executable, *launcher, SCRIPT, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
    )


def weights_of(output_path):
    return torch.load(output_path / "model" / "weights.pt", weights_only=True)


def test_the_network_gives_ten_scores_per_image():
    model = DigitClassifier()
    assert model(torch.rand(3, 1, 28, 28)).shape == model(torch.rand(3, 28, 28)).shape == (3, 10)
    assert sum(weights.numel() for weights in model.parameters()) == 109_386


def test_load_parts_returns_tensors_of_the_right_shape_and_range(data_path):
    (training, validation, test), name = data.load_parts(data_path)
    assert name == "mnist"  # the files are where MNIST's would be
    assert [len(part) for part in (training, validation, test)] == [800, 200, 200]
    images, labels = training.tensors
    assert images.shape == (800, 1, 28, 28) and images.dtype == torch.float32
    assert (images.min(), images.max()) == (0, 1) and labels.dtype == torch.int64


def test_a_batch_equals_its_digits_one_by_one(data_path):
    digits = data.load_parts(data_path)[0][2]
    images, labels = digits.__getitems__([7, 3])
    assert torch.equal(images, torch.stack([digits[7][0], digits[3][0]]))
    assert labels.tolist() == [digits[7][1], digits[3][1]]


def test_the_digits_of_scikit_learn_are_varied_for_training_alone(tmp_path):
    (training, validation, test), name = data.load_parts(tmp_path, "sklearn-digits")
    assert name == "sklearn-digits"
    assert [len(part) for part in (training, validation, test)] == [42 * 1199, 299, 299]
    first, second = training[0], training[1199]
    assert first[1] == second[1] and not torch.equal(first[0], second[0])
    again = data.load_parts(tmp_path, "sklearn-digits")[0][0]
    assert torch.equal(training.tensors[0], again.tensors[0])


def test_one_step_changes_every_layer_and_lowers_the_loss(data_path, tmp_path):
    words = ("--epochs", "1", "--batch_size", "800")  # all training digits in one step
    [epoch] = trained(data_path, tmp_path, *words)["epochs"]
    set_seed(0)
    before, after = DigitClassifier().state_dict(), DigitClassifier()
    after.load_state_dict(weights_of(tmp_path))
    for name, weights in after.state_dict().items():
        assert not torch.equal(weights, before[name]), name
    images, labels = data.load_parts(data_path)[0][0].tensors
    assert torch.nn.functional.cross_entropy(after(images), labels) < epoch["train_loss"]


def test_a_run_learns_and_writes_metrics_curve_and_model(data_path, tmp_path):
    words = ("--epochs", "3", "--batch_size", "8", "--learning_rate", "0.02")
    metrics = trained(data_path, tmp_path, *words)
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["dataset"] == "mnist" and metrics["test_accuracy"] > 0.9
    assert [epoch["epoch"] for epoch in metrics["epochs"]] == [1, 2, 3]
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == metrics["epochs"]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    about = json.loads((tmp_path / "model" / "model.json").read_text())
    assert (about["dataset"], about["test_accuracy"]) == ("mnist", metrics["test_accuracy"])


def test_the_command_runs_from_any_folder_and_repeats_itself(data_path, tmp_path):
    words = ("--epochs", 2, "--batch_size", 32, "--data_path", data_path, "--output_path")
    first, second = (run(*words, tmp_path / name, cwd=tmp_path) for name in "ab")
    assert first.returncode == second.returncode == 0, first.stderr
    assert [line[:9] for line in first.stdout.splitlines()][:2] == ["epoch 1/2", "epoch 2/2"]
    assert "test accuracy" in first.stdout and "of mnist" in first.stdout
    one, two = weights_of(tmp_path / "a"), weights_of(tmp_path / "b")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_two_processes_share_the_batches_and_agree_with_one(data_path, tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    words = ("--epochs", 1, "--data_path", data_path, "--output_path")
    together = run(*words, tmp_path / "two", "--batch_size", 4, launcher=launcher)
    alone = run(*words, tmp_path / "one", "--batch_size", 8)
    assert together.returncode == alone.returncode == 0, together.stderr
    two, one = (json.loads((tmp_path / n / "metrics.json").read_text()) for n in ("two", "one"))
    assert (two["processes"], one["processes"]) == (2, 1)
    assert together.stdout.count("test accuracy") == 1
    for name in ("train_loss", "validation_loss", "validation_accuracy"):
        assert two["epochs"][0][name] == pytest.approx(one["epochs"][0][name], abs=1e-3)


def test_a_wrong_argument_exits_with_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        train.parse_args(["--dataset", "letters"])
    assert end.value.code == 2 and "--dataset" in capsys.readouterr().err
