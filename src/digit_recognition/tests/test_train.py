"""One step of training on a tiny set, and what a whole run leaves behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import feed
import train
from model import DigitClassifier

HERE = Path(train.__file__).parent


def run(data, output, *words, launcher=(), cwd=None):
    """train.py as a person starts it."""
    command = [sys.executable, *launcher, str(HERE / "train.py"), "--data_path", str(data)]
    return subprocess.run(
        [*command, "--output_path", str(output), *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
        env={**os.environ, "MPLCONFIGDIR": str(data / "matplotlib")},
    )


def test_the_network_gives_ten_scores_per_image():
    model = DigitClassifier()
    assert model(torch.rand(3, 1, 28, 28)).shape == model(torch.rand(3, 28, 28)).shape == (3, 10)
    assert sum(weights.numel() for weights in model.parameters()) == 109_386


def test_the_parts_are_tensors_of_the_right_shape_and_range(data):
    training, validation, test = feed.load_parts(data, torch.device("cpu"))
    assert [len(part) for part in (training, validation, test)] == [1000, 100, 100]
    assert training.images.shape == (1000, 1, 28, 28) and training.images.dtype == torch.float32
    assert training.images.min() == 0 and training.images.max() == 1
    assert training.labels.dtype == torch.int64


def test_a_batch_is_what_its_digits_are_one_by_one(data):
    digits = feed.load_digits(data, torch.device("cpu"), train=False)
    images, labels = digits.__getitems__([7, 3])
    assert torch.equal(images, torch.stack([digits[7][0], digits[3][0]]))
    assert labels.tolist() == [digits[7][1], digits[3][1]]


def test_every_epoch_has_a_new_order_that_the_seed_decides():
    def order(seed, epoch):
        sampler = feed.Shuffled(100, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert sorted(order(0, 0)) == list(range(100))
    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_one_step_changes_every_layer_and_lowers_the_loss(data):
    training, validation, _ = feed.load_parts(data, torch.device("cpu"))
    batch = training.part(range(32))
    torch.manual_seed(0)
    before = DigitClassifier()
    after, epochs = train.fit(
        batch, validation, epochs=1, batch_size=32, seed=0, lines=train.EpochLines()
    )
    for name, weights in after.state_dict().items():
        assert not torch.equal(weights, before.state_dict()[name]), name
    assert train.score(after, batch)["loss"] < epochs[0]["train_loss"]


def test_a_run_learns_and_leaves_metrics_curve_and_weights(data, tmp_path):
    metrics = train.train(
        epochs=3, batch_size=8, data_path=data, learning_rate=0.02, output_path=tmp_path
    )
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["dataset"] == "MNIST"  # the files lie where MNIST's lie
    assert [epoch["epoch"] for epoch in metrics["epochs"]] == [1, 2, 3]
    assert metrics["test_accuracy"] > 0.9
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    model = DigitClassifier()
    model.load_state_dict(torch.load(tmp_path / "model/weights.pt", weights_only=True))
    test = feed.load_parts(data, torch.device("cpu"))[2]
    assert train.score(model, test)["accuracy"] == pytest.approx(metrics["test_accuracy"])
    names = {"metrics.json", "metrics.jsonl", "curve.png", "model"}
    assert {file.name for file in tmp_path.iterdir()} == names


def test_the_command_of_the_article_runs_from_any_folder_and_repeats_itself(data, tmp_path):
    words = ("--epochs", "2", "--batch_size", "32")
    first, second = (run(data, tmp_path / name, *words, cwd=tmp_path) for name in ("a", "b"))
    assert first.returncode == second.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert [line.startswith("epoch  1/2") for line in lines].count(True) == 1
    assert "test accuracy" in first.stdout and "of MNIST" in first.stdout
    assert (tmp_path / "a/model/weights.pt").read_bytes() == (
        tmp_path / "b/model/weights.pt"
    ).read_bytes()


def test_two_processes_share_the_batches_and_agree_with_one(data, tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    together = run(data, tmp_path / "two", "--epochs", "1", "--batch_size", "4", launcher=launcher)
    alone = run(data, tmp_path / "one", "--epochs", "1", "--batch_size", "8")
    assert together.returncode == alone.returncode == 0, together.stderr
    two, one = (json.loads((tmp_path / n / "metrics.json").read_text()) for n in ("two", "one"))
    assert (two["processes"], one["processes"]) == (2, 1)
    assert together.stdout.count("test accuracy") == 1
    for name in ("train_loss", "validation_loss", "validation_accuracy"):
        assert two["epochs"][0][name] == pytest.approx(one["epochs"][0][name], abs=1e-3)


@pytest.mark.parametrize("words", [("--epochs", "0"), ("--batch_size", "x"), ("--dataset", "no")])
def test_a_wrong_argument_is_named_and_ends_with_2(data, tmp_path, words):
    done = run(data, tmp_path, *words)
    assert done.returncode == 2
    assert words[0] in done.stderr.splitlines()[-1]


def test_a_data_path_that_is_a_file_ends_with_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    done = run(tmp_path / "file", tmp_path, "--dataset", "digits")
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0 and "is a file" in done.stderr
