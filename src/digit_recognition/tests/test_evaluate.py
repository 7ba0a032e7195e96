"""The gate between a trained model and its registration."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import train
from model import DigitClassifier
from saving import save_model

HERE = Path(train.__file__).parent
FILES = {"model.json", "model.pt2", "weights.pt"}


@pytest.fixture(scope="module")
def model(data_path, tmp_path_factory):
    """A model that reads nearly all of the small data set."""
    folder = tmp_path_factory.mktemp("model")
    words = ["--epochs=3", "--batch_size=8", "--learning_rate=0.02", f"--data_path={data_path}"]
    words += [f"--output_path={folder / 'outputs'}", f"--model_path={folder / 'model'}"]
    train.train(train.parse_args(words))
    return folder / "model"


def run(script, *words):
    command = [sys.executable, str(HERE / script), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def evaluate(model, data_path, threshold, output_path):
    words = ("--model", model, "--data_path", data_path, "--threshold", threshold)
    return run("evaluate.py", *words, "--output_path", output_path)


def register(model, evaluation, to):
    return run("register.py", "--model", model, "--evaluation", evaluation, "--to", to)


def test_model_path_is_the_only_place_of_the_model(model):
    assert {file.name for file in model.iterdir()} == FILES
    assert not (model.parent / "outputs" / "model").exists()


def test_a_model_above_the_threshold_is_copied_with_a_record(model, data_path, tmp_path):
    done = evaluate(model, data_path, 0.8, tmp_path)
    assert done.returncode == 0, done.stderr
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    metrics = json.loads((model.parent / "outputs" / "metrics.json").read_text())
    assert evaluation["passed"] and evaluation["digits"] == 200
    assert evaluation["accuracy"] == pytest.approx(metrics["test_accuracy"])

    done = register(model, tmp_path, tmp_path / "to")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "to" / "registration.json").read_text())
    assert record["accuracy"] == evaluation["accuracy"] and set(record["files"]) == FILES
    for name in FILES:
        assert (tmp_path / "to" / name).read_bytes() == (model / name).read_bytes()


def test_a_model_below_the_threshold_exits_with_1_and_is_not_copied(data_path, tmp_path):
    save_model(tmp_path / "model", DigitClassifier(), {"dataset": "mnist"})  # untrained
    done = evaluate(tmp_path / "model", data_path, 0.8, tmp_path)
    assert done.returncode == 1
    assert "below the threshold 80.00%" in done.stderr and done.stderr.count("\n") == 1
    assert json.loads((tmp_path / "evaluation.json").read_text())["passed"] is False

    done = register(tmp_path / "model", tmp_path / "evaluation.json", tmp_path / "to")
    assert done.returncode == 1 and "did not pass" in done.stderr
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("threshold", ["90", "-0.1", "high"])
def test_a_threshold_outside_0_to_1_exits_with_2(tmp_path, threshold):
    done = run("evaluate.py", "--model", tmp_path, "--threshold", threshold)
    assert done.returncode == 2
    assert "--threshold" in done.stderr.splitlines()[-1]
