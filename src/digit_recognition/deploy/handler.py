"""Reads digits for TorchServe: a request in, a digit and its probabilities out.

What a request may hold:

    a picture (PNG, JPEG, ...) of one digit, of any size
    JSON: 28 rows of 28 grey values from 0 (background) to 255 (ink), or a list of such images;
    either may stand below "images"

The answer is JSON: {"digit": 7, "probabilities": [...]}, and for a list of images a list of those.
What cannot be read is answered with the code 400 and {"error": "a sentence"}.

TorchServe makes one object of the one class here, and calls it with several requests at once when
they come at the same time. The model is the folder that train.py wrote (saving.py); nothing else of
the experiment is needed.
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
        """Loads the model; whatever goes wrong here ends the worker, and no prediction succeeds."""
        torch.set_num_threads(1)  # several wait for each other longer than they compute
        properties = context.system_properties
        gpu = properties.get("gpu_id")
        on_gpu = torch.cuda.is_available() and gpu is not None and int(gpu) >= 0
        self.device = torch.device(f"cuda:{gpu}" if on_gpu else "cpu")
        self.model = load_model(Path(properties["model_dir"])).to(self.device)

    def handle(self, requests: list[dict[str, Any]], context: Any) -> list[Any]:
        """One answer per request; the images of all of them go through the network together."""
        read: list[Any] = []
        for position, request in enumerate(requests):
            try:
                read.append(images_of(request.get("body", request.get("data"))))
            except ValueError as error:
                context.set_response_status(code=400, phrase="Bad Request", idx=position)
                read.append({"error": str(error)})
        good = [one for one in read if isinstance(one, np.ndarray)]
        if not good:
            return read
        answers = iter(self.answers(np.concatenate([one.reshape(-1, SIDE, SIDE) for one in good])))
        return [
            one if isinstance(one, dict) else
            next(answers) if one.ndim == 2 else [next(answers) for _ in one]
            for one in read
        ]  # fmt: skip

    @torch.no_grad()
    def answers(self, images: np.ndarray) -> list[dict[str, Any]]:
        """From uint8 (n, 28, 28)."""
        probabilities = self.model(torch.from_numpy(images).to(self.device)).cpu()
        return [
            {"digit": max(range(10), key=one.__getitem__), "probabilities": one}
            for one in np.round(probabilities.numpy().astype(float), 6).tolist()
        ]


def load_model(folder: Path) -> torch.nn.Module:
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if about.get("format") != FORMAT:
        raise RuntimeError(
            f"the model in {folder} has the format {about.get('format')}, and this server reads "
            f"format {FORMAT}: train it again, or deploy the server that belongs to it"
        )
    return torch.export.load(folder / "model.pt2").module()


def images_of(body: Any) -> np.ndarray:
    """uint8 (28, 28) of a picture or of one image in JSON, (n, 28, 28) of a list of images.

    A ValueError is a sentence for whoever sent it.
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
            raise ValueError(f"this is no JSON: {error}") from None
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
    """Grey, 28x28, light ink on a dark ground, as the network has learnt it."""
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError(f"the picture is larger than {MOST_PIXELS:,} pixels")
        grey = ImageOps.exif_transpose(picture).convert("L")
    except ValueError:
        raise
    except Exception:  # Pillow's readers raise whatever a broken file leads to
        raise ValueError("this is no picture that can be read: send PNG, JPEG or JSON") from None
    if np.median(border(np.asarray(grey))) > 127:  # dark ink on paper
        grey = ImageOps.invert(grey)
    if grey.size != (SIDE, SIDE):
        grey = ImageOps.pad(grey, (SIDE, SIDE))
    return np.asarray(grey)


def border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
