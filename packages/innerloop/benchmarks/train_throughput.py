"""How much faster digits in memory train than digits that are made into tensors one by one.

Two ways to feed the same network, side by side in one run, taking turns:

    per sample   torchvision's MNIST with transforms.ToTensor() behind the Trainer's default
                 DataLoader, as in the article this workspace comes from
    in memory    src/digit_recognition as it is

Network, first weights, optimizer, batch size and the order of the digits are the same, so the loss
curves have to be the same. An epoch is 50,000 digits of training and 5,000 of validation; its
speed is 50,000 divided by its seconds. Each turn trains a new network.

    python benchmarks/train_throughput.py [--turns 3] [--epochs 2] [--data_path data/mnist] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXPERIMENT = "digit_recognition"
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "src" / EXPERIMENT))

import torch  # noqa: E402
from accelerate.utils import set_seed  # noqa: E402
from pytorch_accelerated import Trainer  # noqa: E402
from pytorch_accelerated.callbacks import (  # noqa: E402
    MoveModulesToDeviceCallback,
    TerminateOnNaNCallback,
)
from torch import nn, optim  # noqa: E402
from torch.utils.data import Subset  # noqa: E402
from torchvision import transforms  # noqa: E402
from torchvision.datasets import MNIST  # noqa: E402

from common.digits import default_data_path, prepare, split  # noqa: E402
from feed import Shuffled, load_parts  # noqa: E402
from model import DigitClassifier  # noqa: E402
from train import DigitTrainer, EpochLines, fit  # noqa: E402

Epochs = list[dict[str, float]]
SEED = 0
THREADS = torch.get_num_threads()  # PyTorch's own choice, before train.py makes its


class PlainTrainer(DigitTrainer):
    """The Trainer's own steps, with the same count of right answers."""

    training_run_start = Trainer.training_run_start
    optimizer_step = Trainer.optimizer_step
    optimizer_zero_grad = Trainer.optimizer_zero_grad


class Silent(EpochLines):
    """Keeps the numbers of the epochs and prints nothing."""

    def on_training_run_epoch_end(self, trainer: Any, **kwargs: Any) -> None:
        show, trainer.print = trainer.print, lambda *words, **options: None
        super().on_training_run_epoch_end(trainer, **kwargs)
        trainer.print = show


def per_sample(root: Path, epochs: int, batch_size: int) -> Epochs:
    """The article's way: one PIL image and one tensor per digit, in worker processes."""
    torch.set_num_threads(THREADS)
    torch.set_flush_denormal(False)
    digits = MNIST(str(root), transform=transforms.ToTensor())
    training, validation, _ = (Subset(digits, part.tolist()) for part in split(len(digits)))
    set_seed(SEED)
    model = DigitClassifier()
    lines = Silent()
    trainer = PlainTrainer(
        model,
        loss_func=nn.CrossEntropyLoss(),
        optimizer=optim.SGD(model.parameters(), lr=0.001, momentum=0.9),
        callbacks=(MoveModulesToDeviceCallback, TerminateOnNaNCallback, lines),
    )
    trainer.train(
        train_dataset=training,
        eval_dataset=validation,
        num_epochs=epochs,
        per_device_batch_size=batch_size,
        train_dataloader_kwargs={"sampler": Shuffled(len(training), SEED)},
    )
    return lines.epochs


def in_memory(root: Path, epochs: int, batch_size: int) -> Epochs:
    """This workspace's way; loading the tensors is not part of an epoch."""
    training, validation, _ = load_parts(root, torch.device("cpu"))
    return fit(
        training, validation, epochs=epochs, batch_size=batch_size, seed=SEED, lines=Silent()
    )[1]


WAYS: dict[str, Callable[[Path, int, int], Epochs]] = {
    "per sample": per_sample,
    "in memory": in_memory,
}


def measure(root: Path, turns: int, epochs: int, batch_size: int) -> dict[str, Any]:
    """Speeds of every turn and the last losses of both ways, and the ratio of the speeds by turn."""
    runs: dict[str, list[Epochs]] = {way: [] for way in WAYS}
    for turn in range(turns):
        for way, run in WAYS.items():
            runs[way].append(run(root, epochs, batch_size))
            seconds = [epoch["seconds"] for epoch in runs[way][-1]]
            print(
                f"turn {turn + 1}/{turns}  {way:10}  seconds per epoch: "
                + " ".join(f"{s:.2f}" for s in seconds),
                file=sys.stderr,
                flush=True,
            )
    speeds = {way: [speed(run) for run in runs[way]] for way in WAYS}
    ratios = [ours / theirs for theirs, ours in zip(*speeds.values(), strict=True)]
    return {
        "benchmark": "train_throughput",
        "cores": os.cpu_count(),
        "threads": THREADS,
        "torch": torch.__version__,
        "epochs": epochs,
        "batch_size": batch_size,
        "examples_per_second": {way: spread(values) for way, values in speeds.items()},
        "last_epoch": {way: runs[way][-1][-1] for way in WAYS},
        "largest_difference_of_loss": largest_difference(runs["per sample"], runs["in memory"]),
        "ratio": spread(ratios),
    }


def speed(epochs: Epochs) -> float:
    return 50_000 * len(epochs) / sum(epoch["seconds"] for epoch in epochs)


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def largest_difference(some: list[Epochs], others: list[Epochs]) -> float:
    """The largest distance between the two loss curves, training and validation, in any epoch."""
    return max(
        abs(a[name] - b[name])
        for run, other in zip(some, others, strict=True)
        for a, b in zip(run, other, strict=True)
        for name in ("train_loss", "validation_loss")
    )


def show(result: dict[str, Any], data: str) -> None:
    print(f"{data}, {result['cores']} cores, torch {result['torch']}")
    print(f"{'':12}{'examples/s':>12}{'min':>10}{'max':>10}{'train loss':>13}{'val. loss':>12}")
    for way, values in result["examples_per_second"].items():
        last = result["last_epoch"][way]
        print(
            f"{way:12}{values['median']:12,.0f}{values['min']:10,.0f}{values['max']:10,.0f}"
            f"{last['train_loss']:13.4f}{last['validation_loss']:12.4f}"
        )
    ratio = result["ratio"]
    print(f"ratio {ratio['median']:.1f} (min {ratio['min']:.1f}, max {ratio['max']:.1f})")
    print(f"loss curves differ by at most {result['largest_difference_of_loss']:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3, help="how often each way is run (3)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs per turn (2)")
    parser.add_argument("--batch_size", type=int, default=32, help="digits per step (32)")
    parser.add_argument("--data_path", type=Path, default=default_data_path(__file__))
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    args = parser.parse_args()

    data = prepare(args.data_path, say=lambda message: print(message, file=sys.stderr))
    result = measure(data.root, args.turns, args.epochs, args.batch_size)
    if args.json:
        print(json.dumps({**result, "dataset": data.name}))
    else:
        show(result, data.name)


if __name__ == "__main__":
    main()
