"""Training with the digits in memory, compared with one image at a time.

The same network is trained in two ways, which take turns:

    per sample   one PIL image and transforms.ToTensor() per digit, from torchvision's MNIST class,
                 and the Trainer's default data loader, as in the article that this workspace is
                 built after
    in memory    src/digit_recognition/train.py as it is

Digits, order of the digits, first weights, learning rate, momentum and batch size are equal, so the
loss curves must be. An epoch is all training digits and all validation digits; its speed is the
number of training digits divided by its seconds. Reading the data is not part of an epoch.

    packages/innerloop/bench train_throughput [--turns 3] [--epochs 2] [--data_path PATH] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

EXPERIMENT = "digit_recognition"
ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "src" / EXPERIMENT))

import torch  # noqa: E402
import train  # noqa: E402
from accelerate.utils import set_seed  # noqa: E402
from data import Digits, load_parts  # noqa: E402
from epoch_metrics import EpochMetrics  # noqa: E402
from model import DigitClassifier  # noqa: E402
from pytorch_accelerated import Trainer  # noqa: E402
from pytorch_accelerated.callbacks import (  # noqa: E402
    MoveModulesToDeviceCallback,
    TerminateOnNaNCallback,
)
from torch import nn, optim  # noqa: E402
from torch.utils.data import Subset  # noqa: E402
from torchvision import transforms  # noqa: E402
from torchvision.datasets import MNIST  # noqa: E402

Epochs = list[dict[str, float]]
THREADS = torch.get_num_threads()  # PyTorch's default, before train.py sets its own


def per_sample(args: argparse.Namespace, folder: Path) -> Epochs:
    """The article's way, with PyTorch's default number of threads and no other setting."""
    torch.set_num_threads(THREADS)
    torch.set_flush_denormal(False)
    digits = MNIST(folder, transform=transforms.ToTensor())
    set_seed(args.seed)
    model = DigitClassifier()
    metrics = EpochMetrics(record=lambda **_: None)
    trainer = Trainer(
        model,
        loss_func=nn.CrossEntropyLoss(),
        optimizer=optim.SGD(model.parameters(), lr=args.learning_rate, momentum=0.9),
        callbacks=(MoveModulesToDeviceCallback, TerminateOnNaNCallback, metrics),
    )
    trainer.train(
        train_dataset=Subset(digits, range(args.count)),
        eval_dataset=Subset(digits, range(args.count, len(digits))),
        num_epochs=args.epochs,
        per_device_batch_size=args.batch_size,
        train_dataloader_kwargs={"generator": torch.Generator().manual_seed(args.seed)},
    )
    return metrics.epochs


def in_memory(args: argparse.Namespace, folder: Path) -> Epochs:
    """The experiment's own program."""
    epochs: Epochs = train.train(args)["epochs"]
    return epochs


WAYS: dict[str, Callable[[argparse.Namespace, Path], Epochs]] = {
    "per sample": per_sample,
    "in memory": in_memory,
}


def write_mnist(folder: Path, training: Digits, validation: Digits) -> None:
    """Training and validation digits, in this order, as the files that torchvision's MNIST reads."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pairs = [digits.tensors for digits in (training, validation)]
    images = torch.cat([images[:, 0] for images, _ in pairs]).mul(255).round().byte().numpy()
    labels = torch.cat([labels for _, labels in pairs]).byte().numpy()
    for part in ("train", "t10k"):  # the class wants all four files
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim])
            head += b"".join(size.to_bytes(4, "big") for size in array.shape)
            (raw / f"{part}-{name}-ubyte").write_bytes(head + array.tobytes())


def measure(args: argparse.Namespace, turns: int) -> dict[str, Any]:
    """Speeds and last losses of both ways, the ratio of their speeds, and how far the losses differ."""
    (training, validation, _), dataset = load_parts(args.data_path, args.dataset)
    args.count = len(training)
    runs: dict[str, list[Epochs]] = {way: [] for way in WAYS}
    with TemporaryDirectory() as folder:
        args.output_path = Path(folder) / "outputs"
        write_mnist(Path(folder), training, validation)
        for turn in range(turns):
            for way, run in WAYS.items():
                print(f"turn {turn + 1}/{turns}: {way}")
                runs[way].append(run(args, Path(folder)))
    speeds = {way: [speed(args.count, epochs) for epochs in runs[way]] for way in WAYS}
    ratios = [ours / theirs for theirs, ours in zip(*speeds.values(), strict=True)]
    return {
        "benchmark": "train_throughput",
        "dataset": dataset,
        "digits": args.count,
        "cores": os.cpu_count(),
        "threads": THREADS,
        "torch": torch.__version__,
        "epochs": args.epochs,
        "batch_size": args.batch_size,
        "examples_per_second": {way: spread(values) for way, values in speeds.items()},
        "last_epoch": {way: runs[way][-1][-1] for way in WAYS},
        "largest_difference_of_loss": largest_difference(runs["per sample"], runs["in memory"]),
        "ratio": spread(ratios),
    }


def speed(count: int, epochs: Epochs) -> float:
    """Training digits per second."""
    return count * len(epochs) / sum(epoch["seconds"] for epoch in epochs)


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def largest_difference(runs: list[Epochs], others: list[Epochs]) -> float:
    """Between the two loss curves, training and validation, over all turns and epochs."""
    return max(
        abs(epoch[name] - other[name])
        for run, other_run in zip(runs, others, strict=True)
        for epoch, other in zip(run, other_run, strict=True)
        for name in ("train_loss", "validation_loss")
    )


def show(result: dict[str, Any]) -> None:
    print(
        f"{result['digits']:,} digits of {result['dataset']}, batch size {result['batch_size']}, "
        f"{result['cores']} cores, torch {result['torch']}"
    )
    print(f"{'':12}{'examples/s':>12}{'min':>10}{'max':>10}{'train loss':>13}{'val. loss':>12}")
    for way, values in result["examples_per_second"].items():
        last = result["last_epoch"][way]
        print(
            f"{way:12}{values['median']:12,.0f}{values['min']:10,.0f}{values['max']:10,.0f}"
            f"{last['train_loss']:13.4f}{last['validation_loss']:12.4f}"
        )
    ratio = result["ratio"]
    print(f"ratio {ratio['median']:.1f} (min {ratio['min']:.1f}, max {ratio['max']:.1f})")
    print(f"largest difference of the losses {result['largest_difference_of_loss']:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3, help="how often each way is run (3)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs per turn (2)")
    parser.add_argument("--batch_size", type=int, default=32, help="digits per step (32)")
    parser.add_argument("--data_path", type=Path, default=ROOT / "data" / "mnist")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args()

    words = [f"--{name}={getattr(options, name)}" for name in ("epochs", "batch_size", "data_path")]
    with redirect_stdout(sys.stderr):
        result = measure(train.parse_args(words), options.turns)
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
