"""Entry script for Azure ML's inference server that reads handwritten digits.

A request is JSON: 28 rows of 28 grey values from 0 (background) to 255 (ink), or a list of such
images; each may be the value of "images" in an object. The response is {"digit": 3, "scores": [...]},
or a list of these for a list of images; the highest score belongs to the digit. An invalid request
gets the status 400 and {"error": "..."}.

The server calls init() once in each of its processes, and run() for each request. The model is the
folder that train.py wrote, below AZUREML_MODEL_DIR; no other code of the experiment is needed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import skops.io

FORMAT = 1  # of the model's folder
SIDE = 28

model: Any = None
about: dict[str, Any] = {}


def init() -> None:
    """Load the model. An error here ends the server."""
    global model, about
    model, about = load_model(find_model(os.environ["AZUREML_MODEL_DIR"]))


def run(data: str) -> Any:
    """The response to a request, which the server sends as JSON."""
    try:
        return predict(data)
    except ValueError as error:
        return refused(str(error))


def refused(message: str) -> Any:
    from azureml_inference_server_http.api.aml_response import AMLResponse

    return AMLResponse({"error": message}, 400, json_str=True)


def find_model(mounted: str) -> Path:
    """The folder with model.json: the mounted one or one below it."""
    found = sorted(Path(mounted).rglob("model.json"), key=lambda path: len(path.parts))
    if not found:
        raise RuntimeError(
            f"no model.json below {mounted}: mount the folder outputs/model of a run"
        )
    return found[0].parent


def load_model(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The classifier and the content of model.json. Loading runs no code: skops accepts only the
    types of scikit-learn."""
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if description.get("format") != FORMAT:
        raise RuntimeError(
            f"the model in {folder} has the format {description.get('format')}, and score.py reads "
            f"format {FORMAT}: train it again, or deploy the matching server"
        )
    return skops.io.load(folder / "model.skops"), description


def predict(data: str) -> Any:
    """One prediction or a list of them. Raises ValueError with a message for the client."""
    images = images_of(data)
    rows = images.reshape(-1, SIDE * SIDE) / about["input"]["scale"]
    predictions = [
        {"digit": int(digit), "scores": scores}
        for digit, scores in zip(
            model.predict(rows), np.round(model.decision_function(rows), 4).tolist(), strict=True
        )
    ]
    return predictions[0] if images.ndim == 2 else predictions


def images_of(data: str) -> np.ndarray:
    """(28, 28) for one image, (n, 28, 28) for a list of images."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if isinstance(value, dict):
        if "images" not in value:
            raise ValueError('the JSON has no "images": send {"images": 28 rows of 28 numbers}')
        value = value["images"]
    try:
        images = np.asarray(value)
    except ValueError:  # rows of different lengths
        images = np.empty(0)
    if images.ndim not in (2, 3) or images.shape[-2:] != (SIDE, SIDE) or not len(images):
        raise ValueError("an image is 28 rows of 28 numbers, or a list of such images")
    if images.dtype.kind not in "iuf" or not ((images >= 0) & (images <= 255)).all():
        raise ValueError("a grey value is a number from 0 (background) to 255 (ink)")
    return images
