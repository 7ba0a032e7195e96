"""What stands between a trained model and its registration."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import train
from model import DigitClassifier
from saving import save_model

HERE = Path(train.__file__).parent


@pytest.fixture(scope="module")
def model(data, tmp_path_factory):
    """A model that reads nearly all of the tiny digits."""
    folder = tmp_path_factory.mktemp("model")
    train.train(
        epochs=3,
        batch_size=8,
        data_path=data,
        learning_rate=0.02,
        output_path=folder / "outputs",
        model_path=folder / "model",
    )
    return folder / "model"


def run(script, *words):
    command = [sys.executable, str(HERE / script), *map(str, words)]
    env = {**os.environ, "AZUREML_ARM_WORKSPACE_NAME": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)


def evaluated(model, data, threshold, to):
    words = ("--model", model, "--data_path", data, "--threshold", threshold, "--output_path", to)
    return run("evaluate.py", *words)


def test_the_model_goes_where_it_is_wanted(model):
    assert {one.name for one in model.iterdir()} == {"model.json", "model.pt2", "weights.pt"}
    assert not (model.parent / "outputs/model").exists()


def test_a_model_above_the_threshold_is_handed_on_whole(model, data, tmp_path):
    done = evaluated(model, data, 0.8, tmp_path / "evaluation")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "evaluation/evaluation.json").read_text())
    scores = json.loads((model.parent / "outputs/metrics.json").read_text())
    assert told["passed"] and told["digits"] == 100
    assert told["accuracy"] == pytest.approx(scores["test_accuracy"])

    words = ("--model", model, "--evaluation", tmp_path / "evaluation", "--to", tmp_path / "to")
    done = run("register.py", *words)
    assert done.returncode == 0, done.stderr
    assert "Nothing was sent" in done.stdout
    record = json.loads((tmp_path / "to/registration.json").read_text())
    assert record["accuracy"] == told["accuracy"]
    assert set(record["files"]) == {"model.json", "model.pt2", "weights.pt"}
    for name in record["files"]:
        assert (tmp_path / "to" / name).read_bytes() == (model / name).read_bytes()


def test_a_model_below_the_threshold_ends_with_1_and_goes_nowhere(data, tmp_path):
    model = tmp_path / "model"
    save_model(model, DigitClassifier(), {})  # it has learned nothing
    done = evaluated(model, data, 0.8, tmp_path / "evaluation")
    assert done.returncode == 1
    assert "below the threshold 80.00%" in done.stderr and done.stderr.count("\n") == 1
    told = json.loads((tmp_path / "evaluation/evaluation.json").read_text())
    assert told["passed"] is False

    words = ("--model", model, "--evaluation", tmp_path / "evaluation", "--to", tmp_path / "to")
    done = run("register.py", *words)
    assert done.returncode == 1
    assert "was not passed" in done.stderr
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("threshold", ["90", "-0.1", "high"])
def test_a_threshold_that_is_none_ends_with_2(tmp_path, threshold):
    done = run("evaluate.py", "--model", tmp_path, "--threshold", threshold)
    assert done.returncode == 2
    assert "--threshold" in done.stderr.splitlines()[-1]


def test_no_model_and_no_verdict_are_sentences(tmp_path):
    done = run("evaluate.py", "--model", tmp_path, "--threshold", "0.5")
    assert done.returncode == 1 and "there is no model.pt2" in done.stderr
    words = ("--model", tmp_path, "--evaluation", tmp_path / "none.json", "--to", tmp_path / "to")
    done = run("register.py", *words)
    assert done.returncode == 1 and "cannot be read" in done.stderr
