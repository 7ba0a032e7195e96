"""TorchServe handler that reads handwritten digits.

A request is one of

    a picture (PNG, JPEG, ...) of one digit, of any size
    JSON: 28 rows of 28 grey values from 0 (background) to 255 (ink), or a list of such images;
    each may be the value of "images" in an object

The response is JSON: {"digit": 7, "probabilities": [...]}, or a list of these for a list of images.
An invalid request gets the status 400 and {"error": "..."}.

TorchServe creates one instance of the only class here and passes it concurrent requests as a batch.
The model is the folder that train.py wrote (saving.py); no other code of the experiment is needed.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

FORMAT = 1  # of the model's folder
SIDE = 28
MOST_PIXELS = 4096 * 4096


class DigitHandler:
    def initialize(self, context: Any) -> None:
        """Load the model. An error here ends the worker."""
        torch.set_num_threads(1)  # layers of this size gain nothing from more
        properties = context.system_properties
        gpu = properties.get("gpu_id")
        on_gpu = torch.cuda.is_available() and gpu is not None and int(gpu) >= 0
        self.device = torch.device(f"cuda:{gpu}" if on_gpu else "cpu")
        self.model = load_model(Path(properties["model_dir"])).to(self.device)

    def handle(self, requests: list[dict[str, Any]], context: Any) -> list[Any]:
        """One response per request; all images go through the network as one batch."""
        results: list[Any] = []  # images of valid requests, responses to the others
        for position, request in enumerate(requests):
            try:
                results.append(images_of(request.get("body", request.get("data"))))
            except ValueError as error:
                context.set_response_status(code=400, phrase="Bad Request", idx=position)
                results.append({"error": str(error)})
        valid = [result for result in results if isinstance(result, np.ndarray)]
        if not valid:
            return results
        batch = np.concatenate([images.reshape(-1, SIDE, SIDE) for images in valid])
        predictions = iter(self.predict(batch))
        return [
            result if isinstance(result, dict) else
            next(predictions) if result.ndim == 2 else [next(predictions) for _ in result]
            for result in results
        ]  # fmt: skip

    @torch.no_grad()
    def predict(self, images: np.ndarray) -> list[dict[str, Any]]:
        """One prediction per image of uint8 (n, 28, 28)."""
        probabilities = self.model(torch.from_numpy(images).to(self.device)).cpu()
        return [
            {"digit": max(range(10), key=row.__getitem__), "probabilities": row}
            for row in np.round(probabilities.numpy().astype(float), 6).tolist()
        ]


def load_model(folder: Path) -> torch.nn.Module:
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if about.get("format") != FORMAT:
        raise RuntimeError(
            f"the model in {folder} has the format {about.get('format')}, and this server reads "
            f"format {FORMAT}: train it again, or deploy the matching server"
        )
    return torch.export.load(folder / "model.pt2").module()


def images_of(body: Any) -> np.ndarray:
    """uint8 (28, 28) for a picture or one image in JSON, (n, 28, 28) for a list of images.

    Raises ValueError with a message for the client.
    """
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, (bytes, bytearray)):
        if not body:
            raise ValueError("the request is empty: send a picture, or JSON with grey values")
        if bytes(body[:64]).lstrip()[:1] not in (b"{", b"["):
            return image_of_picture(bytes(body))
        try:
            body = json.loads(bytes(body))
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from None
    return images_of_json(body)


def images_of_json(value: Any) -> np.ndarray:
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
    return np.rint(images).astype(np.uint8)


def image_of_picture(data: bytes) -> np.ndarray:
    """uint8 (28, 28), light ink on a dark background as in the training data."""
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError(f"the picture is larger than {MOST_PIXELS:,} pixels")
        grey = ImageOps.exif_transpose(picture).convert("L")
    except ValueError:
        raise
    except Exception:  # Pillow raises many types for broken files
        raise ValueError("not a readable picture: send PNG, JPEG or JSON") from None
    if np.median(border(np.asarray(grey))) > 127:  # dark ink on paper
        grey = ImageOps.invert(grey)
    if grey.size != (SIDE, SIDE):
        grey = ImageOps.pad(grey, (SIDE, SIDE))
    return np.asarray(grey)


def border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
