"""Digits in memory, and the order in which they are seen.

MNIST is small: all 60,000 images as 32-bit numbers are 188 MB. So they are turned into one tensor
once, and a batch is a single indexing of it. Turning images into tensors one by one, as
`transforms.ToTensor()` does, costs many times what the network itself costs.

The rest is PyTorch's own DataLoader, so that several GPUs share the batches as they always do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchvision.datasets import MNIST

from common.digits import split


class Digits(Dataset):
    """Images (n, 1, 28, 28) with grey values 0 to 1, and labels (n,), on one device."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        return self.images[position], self.labels[position]

    def __getitems__(self, positions: Sequence[int]) -> tuple[Tensor, Tensor]:
        # The DataLoader prefers this to one __getitem__ per position.
        chosen = torch.tensor(positions, device=self.labels.device)
        return self.images.index_select(0, chosen), self.labels.index_select(0, chosen)

    def part(self, positions: Sequence[int]) -> Digits:
        return Digits(*self.__getitems__(positions))


def as_it_is(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The collate function for `Digits`, whose batches need no collating."""
    return batch


class Shuffled(Sampler[int]):
    """A new order of 0 to count - 1 in every epoch, which depends on seed and epoch alone.

    So it is the same in every process of a distributed run, and the same with any batch size.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate's data loader at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(torch.randperm(self.count, generator=generator).tolist())


def load_digits(root: Path, device: torch.device, train: bool = True) -> Digits:
    """All digits of the training file (or of t10k) under `root`, moved to the device at once."""
    files = MNIST(str(root), train=train)
    images = files.data.unsqueeze(1).float().div_(255)
    return Digits(images.to(device), files.targets.to(device))


def load_parts(root: Path, device: torch.device) -> tuple[Digits, Digits, Digits]:
    """Training, validation and test digits: 50,000, 5,000 and 5,000 of the training file."""
    digits = load_digits(root, device)
    training, validation, test = (digits.part(p.tolist()) for p in split(len(digits)))
    return training, validation, test
