"""The digits as tensors in memory: each batch is one indexing of them, not 32 images made one by one."""

from __future__ import annotations

import socket
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import TensorDataset
from torchvision.datasets import MNIST
from torchvision.transforms.v2 import RandomAffine

from common.digits import load, split

COPIES = 42  # of each of scikit-learn's digits, which makes an epoch as long as with MNIST


class Digits(TensorDataset):
    """Images (n, 1, 28, 28) with values from 0 to 1, and labels (n,)."""

    def __getitems__(self, positions: list[int]) -> tuple[Tensor, ...]:
        """A whole batch; a DataLoader prefers this to one __getitem__ per position."""
        return self[torch.tensor(positions)]


def as_batch(batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The collate function for `Digits`: their batches are complete."""
    return batch


def load_parts(data_path: Path, dataset: str = "auto") -> tuple[list[Digits], str]:
    """Training, validation and test digits, and the name of the data set (common/digits.py)."""
    if dataset != "sklearn-digits":
        socket.setdefaulttimeout(5)  # seconds; else a firewall may hold up the start for minutes
        try:
            MNIST(data_path, download=True)  # downloads only what is missing
        except (RuntimeError, OSError):
            if dataset == "mnist":
                raise
            print("MNIST cannot be downloaded (--dataset mnist shows why).")
    images, labels, name = load(data_path, dataset)
    digits = TensorDataset(torch.tensor(images), torch.tensor(labels))
    parts = [digits[torch.tensor(positions)] for positions in split(len(labels))]
    if name == "sklearn-digits":
        parts[0] = augment(*parts[0])
    return [Digits(images[:, None] / 255, labels.long()) for images, labels in parts], name


def augment(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Copies of the digits, each rotated, moved and scaled a little; the same ones in every run."""
    torch.manual_seed(0)
    transform = RandomAffine(degrees=10, translate=(0.05, 0.05), scale=(0.9, 1.1))
    return torch.cat([transform(images) for _ in range(COPIES)]), labels.repeat(COPIES)
