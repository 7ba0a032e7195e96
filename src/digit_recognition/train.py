"""Trains a small neural network to read handwritten digits.

    python train.py
    python train.py --epochs 8 --batch_size 32 --data_path ./data

The network has two hidden layers (model.py); 50,000 digits train it, 5,000 validate it after every
epoch, 5,000 test it at the end. The data are MNIST, downloaded the first time; without a way to the
internet, digits that ship with scikit-learn (common/digits.py), and every line that names a score
says which. It runs unchanged on a CPU, on a GPU, and on many:

    accelerate launch train.py

Eight epochs take about 10 seconds on one CPU core (1 s each), and 5 more the first time. Expect on
scikit-learn's digits a test accuracy near 91 % after two epochs and 95 % after eight; on MNIST it
was not measured where this was written.

Into --output_path (./outputs) it writes

    metrics.json    losses, accuracy and seconds of every epoch, and the test's
    metrics.jsonl   the same of each epoch as soon as it is over, a line each
    curve.png       the training curve
    model/          what serving needs: network, weights, and what they are (saving.py); --model_path
                    puts it elsewhere
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType, set_seed
from pytorch_accelerated import Trainer
from pytorch_accelerated.callbacks import (
    MoveModulesToDeviceCallback,
    TerminateOnNaNCallback,
    TrainerCallback,
)
from torch import nn, optim

from common.digits import NoDigits, default_data_path, prepare, say_now
from common.metrics import MetricsLog
from common.results import output_folder, whole_file, write_json
from feed import Digits, Shuffled, as_it_is, load_digits, load_parts
from model import DigitClassifier
from saving import save_model


class DigitTrainer(Trainer):
    """Counts right answers during validation, and steps without detours; the rest is the Trainer's."""

    def training_run_start(self) -> None:
        # accelerate's wrapper around the optimizer searches the disk for an optional package, twice
        # in every step: with so small a network a fifth of the time. Where it has nothing to do
        # (no scaled losses, no TPU, no sharded weights), the optimizer itself takes the step.
        plain = {DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU}
        accelerator = self._accelerator
        bare = accelerator.distributed_type in plain and accelerator.scaler is None
        self.stepper = self.optimizer.optimizer if bare else self.optimizer

    def optimizer_step(self) -> None:
        self.stepper.step()

    def optimizer_zero_grad(self) -> None:
        self.stepper.zero_grad()

    def eval_epoch_start(self) -> None:
        super().eval_epoch_start()
        self.right_and_all = torch.zeros(2, device=self.device)

    def calculate_eval_batch_loss(self, batch: Any) -> dict[str, Any]:
        result = super().calculate_eval_batch_loss(batch)
        right = (result["model_outputs"].argmax(1) == batch[1]).sum()
        self.right_and_all += torch.stack([right, right.new_tensor(len(batch[1]))])
        return result

    def eval_epoch_end(self) -> None:
        # Gathered once per epoch: the processes may have had different numbers of digits.
        right, count = self.gather(self.right_and_all[None]).sum(0).tolist()
        self.run_history.update_metric("eval_accuracy", right / count)


class EpochLines(TrainerCallback):
    """Prints one line per epoch (readable in a log file, too), keeps the numbers and hands them to
    `log`."""

    def __init__(self, log: Callable[..., None] | None = None) -> None:
        self.epochs: list[dict[str, float]] = []
        self.log = log

    def on_train_epoch_start(self, trainer: Trainer, **kwargs: Any) -> None:
        self.started = time.perf_counter()

    def on_training_run_epoch_end(self, trainer: Trainer, **kwargs: Any) -> None:
        latest = trainer.run_history.get_latest_metric
        epoch = {
            "epoch": len(self.epochs) + 1,
            "train_loss": latest("train_loss_epoch"),
            "validation_loss": latest("eval_loss_epoch"),
            "validation_accuracy": latest("eval_accuracy"),
            "seconds": time.perf_counter() - self.started,
        }
        self.epochs.append(epoch)
        if self.log is not None:
            self.log(**epoch)
        trainer.print(
            f"epoch {epoch['epoch']:2d}/{trainer.run_config.num_epochs}"
            f"   train loss {epoch['train_loss']:.4f}"
            f"   validation loss {epoch['validation_loss']:.4f}"
            f"   accuracy {epoch['validation_accuracy']:.2%}"
            f"   {epoch['seconds']:.1f} s",
            flush=True,
        )


def one_quick_thread() -> None:
    """Settings for a small network on a CPU; OMP_NUM_THREADS in the environment overrules.

    Several threads gain little on layers of this size, and on a busy machine, where each waits for
    the others at every step, they were seen to take twenty times as long. Numbers below 1e-38,
    which gradients sink to, are slow to compute with; nothing is lost when they are zero.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def fit(
    training: Digits,
    validation: Digits,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float = 0.001,
    seed: int = 0,
    lines: EpochLines | None = None,
) -> tuple[nn.Module, list[dict[str, float]]]:
    """The trained network, and losses, accuracy and seconds of every epoch."""
    one_quick_thread()
    set_seed(seed)
    model = DigitClassifier()
    lines = lines or EpochLines()
    trainer = DigitTrainer(
        model,
        loss_func=nn.CrossEntropyLoss(),
        # fused: all weights in one call
        optimizer=optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9, fused=True),
        callbacks=(MoveModulesToDeviceCallback, TerminateOnNaNCallback, lines),
    )
    in_memory = {"num_workers": 0, "pin_memory": False}  # nothing to load, nothing to copy
    per_process = len(validation) // PartialState().num_processes
    trainer.train(
        train_dataset=training,
        eval_dataset=validation,
        num_epochs=epochs,
        per_device_batch_size=batch_size,
        train_dataloader_kwargs={**in_memory, "sampler": Shuffled(len(training), seed)},
        eval_dataloader_kwargs={**in_memory, "batch_size": max(1, per_process // 5)},
        collate_fn=as_it_is,
    )
    return trainer.model, lines.epochs


@torch.no_grad()
def score(model: nn.Module, digits: Digits) -> dict[str, float]:
    """Loss and accuracy on all the digits at once."""
    model.eval()
    answers = model(digits.images)
    return {
        "loss": nn.functional.cross_entropy(answers, digits.labels).item(),
        "accuracy": (answers.argmax(1) == digits.labels).float().mean().item(),
    }


def draw_curve(path: Path, epochs: list[dict[str, float]], test: dict[str, float], title: str):
    """The training curve as a PNG: losses on the left, accuracy on the right."""
    import matplotlib

    matplotlib.use("Agg")  # no screen needed
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    number = [epoch["epoch"] for epoch in epochs]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title)
    left.plot(number, [e["train_loss"] for e in epochs], "o-", label="training")
    left.plot(number, [e["validation_loss"] for e in epochs], "o-", label="validation")
    right.plot(number, [e["validation_accuracy"] for e in epochs], "o-C1", label="validation")
    right.axhline(test["accuracy"], color="C2", ls="--", label=f"test {test['accuracy']:.2%}")
    right.yaxis.set_major_formatter(PercentFormatter(1))
    for axes, what in ((left, "loss"), (right, "accuracy")):
        axes.set(xlabel="epoch", ylabel=what)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)


def this_process() -> PartialState:
    """This process's device and its place among those that train together."""
    # Processes on CPUs find each other only when told that CPUs it is; else each would train alone.
    several_on_cpu = int(os.environ.get("WORLD_SIZE", 1)) > 1 and not torch.cuda.is_available()
    if several_on_cpu:
        os.environ["ACCELERATE_USE_CPU"] = "true"  # for the Trainer
    return PartialState(cpu=several_on_cpu)


def train(
    epochs: int = 8,
    batch_size: int = 32,
    data_path: Path | None = None,
    learning_rate: float = 0.001,
    seed: int = 0,
    output_path: Path = Path("outputs"),
    dataset: str = "auto",
    model_path: Path | None = None,
) -> dict[str, Any]:
    """The whole run, from the data to the files in `output_path`; returns what metrics.json holds."""
    output_folder(output_path)
    model_folder = model_path or output_path / "model"
    process = this_process()
    with process.local_main_process_first():  # the others find what the first one fetched
        say = say_now if process.is_local_main_process else (lambda sentence: None)
        data = prepare(data_path or default_data_path(__file__), dataset, say=say)
    process.print(data.sentence)
    process.print(f"Device: {process.device.type}, processes: {process.num_processes}.", flush=True)

    started = time.perf_counter()
    training, validation, test_digits = load_parts(data.root, process.device)
    model, per_epoch = fit(
        training,
        validation,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        lines=EpochLines(MetricsLog(output_path) if process.is_main_process else None),
    )
    test = score(model, test_digits)
    t10k = score(model, load_digits(data.root, process.device, train=False))
    metrics = {
        "dataset": data.name,
        "epochs": per_epoch,
        "test_loss": test["loss"],
        "test_accuracy": test["accuracy"],
        "t10k_accuracy": t10k["accuracy"],
        "seconds": time.perf_counter() - started,
        "device": process.device.type,
        "processes": process.num_processes,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    process.print(
        f"test accuracy {test['accuracy']:.2%} on {len(test_digits):,} digits of {data.name}"
        f" ({t10k['accuracy']:.2%} on t10k), {metrics['seconds']:.1f} s in all"
    )
    if process.is_main_process:
        write_json(output_path / "metrics.json", metrics)
        about = ("dataset", "test_accuracy", "t10k_accuracy")
        save_model(model_folder, model, {name: metrics[name] for name in about})
        draw_curve(output_path / "curve.png", per_epoch, test, f"digit_recognition on {data.name}")
        print(f"Wrote metrics.json and curve.png to {output_path}, the model to {model_folder}")
    return metrics


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--epochs", type=at_least_one, default=8, help="how often to go through the data (8)")
    add("--batch_size", type=at_least_one, default=32, help="digits per step and process (32)")
    add("--data_path", type=Path, help="where the data lie (the workspace's data/mnist, or ./data)")
    add("--learning_rate", type=float, default=0.001, help="SGD's step, momentum is 0.9 (0.001)")
    add("--seed", type=int, default=0, help="decides first weights and order of digits (0)")
    add("--output_path", type=Path, default=Path("outputs"), help="for the results (./outputs)")
    add(
        "--dataset",
        choices=("auto", "mnist", "digits"),
        default="auto",
        help="mnist or nothing, scikit-learn's digits, or what can be had (auto)",
    )
    add("--model_path", type=Path, help="for the model (model/ among the results)")
    return parser.parse_args(words)


def at_least_one(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word} is less than 1")
    return number


if __name__ == "__main__":
    # Two warnings that do not concern us: the processes' shares of the validation digits may differ,
    # and what they counted is gathered once per epoch.
    warnings.filterwarnings("ignore", message="The per device batch size")
    warnings.filterwarnings("ignore", message="Joining uneven inputs")
    try:
        train(**vars(parse()))
    except NoDigits as error:
        sys.exit(f"train.py: {error}")
    except KeyboardInterrupt:
        print("train.py: stopped", file=sys.stderr)
        sys.exit(130)
    if PartialState().num_processes > 1:
        PartialState().destroy_process_group()
