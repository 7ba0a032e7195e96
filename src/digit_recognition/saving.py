"""What serving needs of a trained network: a folder that is usable without this code.

    model.json    the format, input, output and scores of the model
    model.pt2     the network as a torch.export program: uint8 images (n, 28, 28) in, ten
                  probabilities per image out, for torch.export.load(...).module()
    weights.pt    the weights, for DigitClassifier().load_state_dict(torch.load(...))

The scaling of grey values and the softmax are part of the program, so a server cannot get them wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from common.results import whole_file, write_json
from model import DigitClassifier

FORMAT = 1  # of the folder; a server refuses other formats


class Reader(nn.Module):
    """The network with the scaling before it and the softmax after it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (n, 10) of the digits 0 to 9 from uint8 grey values (n, 28, 28)."""
        return self.network(images.float() / 255).softmax(1)


def save_model(folder: Path, network: nn.Module, about: Mapping[str, Any]) -> None:
    """Write the folder; `about`, such as data set and scores, is added to model.json."""
    weights = {name: weight.cpu() for name, weight in network.state_dict().items()}
    with whole_file(folder / "weights.pt") as temporary:
        with temporary.open("wb") as file:  # given a path, torch.save would store the file name
            torch.save(weights, file)
    copy = DigitClassifier()
    copy.load_state_dict(weights)
    with whole_file(folder / "model.pt2") as temporary:
        torch.export.save(as_program(copy), temporary)
    write_json(
        folder / "model.json",
        {
            "format": FORMAT,
            "input": {"type": "uint8", "shape": ["n", 28, 28], "values": "0 background, 255 ink"},
            "output": {"type": "float32", "shape": ["n", 10], "values": "probabilities"},
            "classes": [str(digit) for digit in range(10)],
            "torch": torch.__version__,
            **about,
        },
    )


def as_program(network: nn.Module) -> torch.export.ExportedProgram:
    """The network as an exported program for any number of images."""
    example = torch.zeros(2, 28, 28, dtype=torch.uint8)
    any_number = ({0: torch.export.Dim("n", min=1)},)
    return torch.export.export(Reader(network).eval(), (example,), dynamic_shapes=any_number)
