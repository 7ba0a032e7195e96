"""Reads digits for Azure ML's inference server: JSON in, a digit and its scores out.

A request is 28 rows of 28 grey values from 0 (background) to 255 (ink), or a list of such images;
either may stand below "images". The answer is {"digit": 3, "scores": [...]}, and for a list of
images a list of those: the larger a score, the more the image looks like that digit. What cannot be
read is answered with the code 400 and {"error": "a sentence"}.

The server calls init() once in each of its processes, and run() for each request. The model is the
folder that train.py wrote, below AZUREML_MODEL_DIR; nothing else of the experiment is needed.
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
    """Loads the model; whatever goes wrong here ends the server."""
    global model, about
    model, about = load_model(find_model(os.environ["AZUREML_MODEL_DIR"]))


def run(data: str) -> Any:
    """The server sends what this returns as JSON."""
    try:
        return answers(data)
    except ValueError as error:
        return refused(str(error))


def refused(sentence: str) -> Any:
    from azureml_inference_server_http.api.aml_response import AMLResponse

    return AMLResponse({"error": sentence}, 400, json_str=True)


def find_model(mounted: str) -> Path:
    """The folder with model.json: the mounted one, or one in it."""
    found = sorted(Path(mounted).rglob("model.json"), key=lambda path: len(path.parts))
    if not found:
        raise RuntimeError(
            f"no model.json below {mounted}: mount the folder outputs/model of a run"
        )
    return found[0].parent


def load_model(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The classifier and what model.json says of it. The file runs no code when it is read:
    skops refuses whatever is not scikit-learn's own."""
    told = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if told.get("format") != FORMAT:
        raise RuntimeError(
            f"the model in {folder} has the format {told.get('format')}, and score.py reads "
            f"format {FORMAT}: train it again, or deploy the server that belongs to it"
        )
    return skops.io.load(folder / "model.skops"), told


def answers(data: str) -> Any:
    """A ValueError is a sentence for whoever sent the request."""
    images = images_of(data)
    rows = images.reshape(-1, SIDE * SIDE) / about["input"]["scale"]
    found = [
        {"digit": int(digit), "scores": scores}
        for digit, scores in zip(
            model.predict(rows), np.round(model.decision_function(rows), 4).tolist(), strict=True
        )
    ]
    return found[0] if images.ndim == 2 else found


def images_of(data: str) -> np.ndarray:
    """(28, 28) of one image, (n, 28, 28) of a list of images."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ValueError(f"this is no JSON: {error}") from None
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
