"""score.py as the inference server calls it, but without the server."""

import json
from pathlib import Path

import numpy as np
import pytest

import score
import train

SAMPLE = Path(__file__).parents[1] / "deploy" / "sample-request.json"


@pytest.fixture(scope="module")
def mounted(tmp_path_factory):
    """A model as Azure ML mounts it: the folder `model` below AZUREML_MODEL_DIR."""
    folder = tmp_path_factory.mktemp("mounted")
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (100, 28, 28)).astype(np.uint8)
    train.save_model(folder / "model", train.fit(images, np.arange(100) % 10), {})
    return folder


@pytest.fixture
def served(mounted, monkeypatch):
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(mounted))
    score.init()
    return score.run


def test_one_image_and_a_list_of_images_are_accepted(served):
    sample = SAMPLE.read_text()
    one = served(sample)
    assert len(one["scores"]) == 10
    grey = json.loads(sample)["images"]
    assert served(json.dumps({"images": [grey, grey]})) == [one, one]
    assert served(json.dumps(grey)) == one
    json.dumps(one)


def test_predictions_equal_those_of_the_classifier(mounted, served):
    model, _ = score.load_model(mounted / "model")
    images = np.random.RandomState(1).randint(0, 256, (20, 28, 28)).astype(np.uint8)
    answers = served(json.dumps(images.tolist()))
    expected = model.predict(train.as_rows(images)).tolist()
    assert [one["digit"] for one in answers] == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "not JSON"),
        ("[[1, 2", "not JSON"),
        ('{"image": []}', 'no "images"'),
        ("[]", "28 rows of 28 numbers"),
        ("null", "28 rows of 28 numbers"),
        (json.dumps([[0] * 28] * 27), "28 rows of 28 numbers"),
        (json.dumps([[0] * 28] * 27 + [[0]]), "28 rows of 28 numbers"),
        (json.dumps([[256] * 28] * 28), "from 0 (background) to 255 (ink)"),
        (json.dumps([["x"] * 28] * 28), "from 0 (background) to 255 (ink)"),
    ],
)
def test_an_invalid_request_raises_value_error_with_a_message(served, data, message):
    with pytest.raises(ValueError) as error:
        score.predict(data)
    assert message in str(error.value)


def test_a_missing_model_and_another_format_are_named(tmp_path):
    with pytest.raises(RuntimeError, match="no model.json below"):
        score.find_model(str(tmp_path))
    (tmp_path / "model.json").write_text('{"format": 99}')
    with pytest.raises(RuntimeError, match="format 99"):
        score.load_model(tmp_path)
