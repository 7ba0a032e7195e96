"""The training curve as a picture: losses on the left, accuracy on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from common.results import whole_file


def draw_curve(path: Path, epochs: Sequence[dict[str, float]], title: str) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    for axes, metric in (
        (left, "train_loss"),
        (left, "validation_loss"),
        (right, "validation_accuracy"),
    ):
        numbers = [epoch["epoch"] for epoch in epochs]
        axes.plot(numbers, [epoch[metric] for epoch in epochs], "o-", label=metric)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    right.yaxis.set_major_formatter(PercentFormatter(1))
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)
