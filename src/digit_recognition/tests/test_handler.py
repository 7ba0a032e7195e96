"""The handler as TorchServe calls it, but without TorchServe."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import start
from handler import DigitHandler, image_of_picture, images_of
from model import DigitClassifier
from saving import save_model

SAMPLE = Path(__file__).parents[1] / "deploy" / "sample-request.png"


class Context:
    """What the handler uses of TorchServe's context."""

    def __init__(self, folder):
        self.system_properties = {"model_dir": str(folder), "gpu_id": None}
        self.codes = {}

    def set_response_status(self, code, phrase, idx):
        self.codes[idx] = code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    save_model(folder, DigitClassifier(), {})
    return folder


@pytest.fixture
def served(folder):
    context, handler = Context(folder), DigitHandler()
    handler.initialize(context)
    return SimpleNamespace(
        context=context, ask=lambda *bodies: handler.handle([{"body": b} for b in bodies], context)
    )


def picture(image, kind="PNG"):
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def test_picture_array_and_list_give_the_same_answer(served):
    grey = np.asarray(Image.open(SAMPLE)).tolist()
    picture, array, listed, bare = served.ask(
        bytearray(SAMPLE.read_bytes()), {"images": grey}, {"images": [grey, grey]}, grey
    )
    assert picture == array == bare and listed == [picture, picture]
    assert len(picture["probabilities"]) == 10
    assert sum(picture["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert picture["digit"] == np.argmax(picture["probabilities"])
    assert served.context.codes == {}
    json.dumps(listed)


def test_json_without_its_content_type_is_accepted(served):
    grey = np.asarray(Image.open(SAMPLE)).tolist()
    as_text, as_bytes = served.ask(json.dumps(grey), json.dumps({"images": grey}).encode())
    assert as_text == as_bytes


def test_an_invalid_request_in_a_batch_does_not_affect_the_others(served):
    good = bytearray(SAMPLE.read_bytes())
    first, bad, last = served.ask(good, b"not a picture", good)
    assert first == last and "digit" in first
    assert bad == {"error": "not a readable picture: send PNG, JPEG or JSON"}
    assert served.context.codes == {1: 400}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "an image is 28 rows of 28 numbers"),
        (b"", "the request is empty"),
        (b"[[1, 2", "not JSON"),
        (SAMPLE.read_bytes()[:100], "not a readable picture"),
        ({"image": []}, 'no "images"'),
        ([], "28 rows of 28 numbers"),
        ([[0] * 28] * 27, "28 rows of 28 numbers"),
        ([[0] * 28] * 27 + [[0]], "28 rows of 28 numbers"),
        ([[256] * 28] * 28, "from 0 (background) to 255 (ink)"),
        ([["x"] * 28] * 28, "from 0 (background) to 255 (ink)"),
        ([[True] * 28] * 28, "from 0 (background) to 255 (ink)"),
        ([[float("nan")] * 28] * 28, "from 0 (background) to 255 (ink)"),
    ],
)
def test_an_invalid_request_gets_400_and_a_message(served, body, message):
    [answer] = served.ask(body)
    assert message in answer["error"]
    assert served.context.codes == {0: 400}


def test_dark_ink_on_paper_of_any_size_is_converted_to_the_training_format():
    digit = Image.open(SAMPLE).convert("L")
    paper = Image.fromarray(255 - np.asarray(digit)).resize((280, 280), Image.Resampling.NEAREST)
    seen = image_of_picture(picture(paper.convert("RGB"), "JPEG")).astype(int)
    assert np.abs(seen - np.asarray(digit)).mean() < 8
    assert image_of_picture(picture(digit)).tolist() == np.asarray(digit).tolist()


def test_a_picture_with_too_many_pixels_is_refused():
    with pytest.raises(ValueError, match="larger than"):
        images_of(picture(Image.new("1", (5000, 5000))))


def test_a_model_of_another_format_is_refused(folder, tmp_path):
    (tmp_path / "model.json").write_text('{"format": 99}')
    with pytest.raises(RuntimeError, match="format 99"):
        DigitHandler().initialize(Context(tmp_path))


def test_find_model_below_the_mounted_folder(folder, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").touch()
    assert start.find_model(str(tmp_path)) == tmp_path / "model"
    with pytest.raises(SystemExit, match="no model.json below"):
        start.find_model(str(tmp_path / "model" / "nowhere"))
    with pytest.raises(SystemExit, match="AZUREML_MODEL_DIR is not set"):
        start.find_model(None)


def test_without_timeouts_sets_them_to_a_day(tmp_path):
    settings = SAMPLE.with_name("model-config.yaml")
    settings_text = start.without_timeouts(settings, tmp_path / "debug").read_text()
    assert "responseTimeout: 86400" in settings_text and "startupTimeout: 86400" in settings_text
    assert "responseTimeout: 10" not in settings_text and "batchSize: 16" in settings_text
