"""Train a small neural network to read handwritten digits.

    python train.py
    python train.py --epochs 8 --batch_size 32 --data_path ./data
    accelerate launch train.py                                    # on all GPUs of the machine

The data are MNIST, downloaded the first time, or scikit-learn's digits if that fails (data.py).
Eight epochs take about 20 seconds on one CPU core. Expect a test accuracy of 98 % on scikit-learn's
digits. The results are in --output_path (./outputs): metrics.json, metrics.jsonl (a line per epoch),
curve.png, and model/ for serving (saving.py).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from pytorch_accelerated import Trainer
from pytorch_accelerated.callbacks import MoveModulesToDeviceCallback, TerminateOnNaNCallback
from torch import nn, optim

from common.digits import DATASETS
from common.metrics import MetricsLog
from common.results import write_json
from curve import draw_curve
from data import as_batch, load_parts
from epoch_metrics import EpochMetrics
from model import DigitClassifier
from saving import save_model

DATA_PATH = Path(__file__).resolve().parent.parent.parent / "data" / "mnist"  # of the workspace
IN_MEMORY = {"num_workers": 0, "pin_memory": False}  # for data loaders: nothing has to be read


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Train, test, and write the results; returns the content of metrics.json."""
    started = time.perf_counter()
    torch.set_num_threads(1)  # layers of this size gain nothing from more
    torch.set_flush_denormal(True)  # numbers below 1e-38 are slow to compute with
    with Accelerator().local_main_process_first():  # the other processes find what it downloaded
        (training, validation, test), dataset = load_parts(args.data_path, args.dataset)
    args.output_path.mkdir(parents=True, exist_ok=True)

    set_seed(args.seed)
    model = DigitClassifier()
    metrics = EpochMetrics(record=MetricsLog(args.output_path))
    trainer = Trainer(
        model,
        loss_func=nn.CrossEntropyLoss(),
        optimizer=optim.SGD(model.parameters(), args.learning_rate, momentum=0.9, fused=True),
        callbacks=(MoveModulesToDeviceCallback, TerminateOnNaNCallback, metrics),
    )
    order = torch.Generator().manual_seed(args.seed)
    trainer.train(
        train_dataset=training,
        eval_dataset=validation,
        num_epochs=args.epochs,
        per_device_batch_size=args.batch_size,
        train_dataloader_kwargs={**IN_MEMORY, "generator": order},
        eval_dataloader_kwargs=IN_MEMORY,
        collate_fn=as_batch,
    )
    trainer.evaluate(test, args.batch_size, dataloader_kwargs=IN_MEMORY, collate_fn=as_batch)

    scores = {
        "dataset": dataset,
        "test_accuracy": trainer.run_history.get_latest_metric("accuracy"),
        "test_loss": trainer.run_history.get_latest_metric("evaluation_loss"),
    }
    result = {
        **scores,
        "epochs": metrics.epochs,
        "seconds": time.perf_counter() - started,
        "device": trainer.device.type,
        "processes": trainer.run_config.num_processes,
        "batch_size": args.batch_size,
        "learning_rate": args.learning_rate,
        "seed": args.seed,
    }
    accuracy = f"test accuracy {scores['test_accuracy']:.2%} on {len(test):,} digits of {dataset}"
    trainer.print(f"{accuracy}, {result['seconds']:.1f} s in all")
    if trainer.run_config.is_world_process_zero:
        write_json(args.output_path / "metrics.json", result)
        draw_curve(args.output_path / "curve.png", metrics.epochs, accuracy)
        save_model(args.model_path or args.output_path / "model", trainer.get_model(), scores)
    return result


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--epochs", type=int, default=8, help="passes through the training digits (8)")
    add("--batch_size", type=int, default=32, help="digits per step and process (32)")
    add("--data_path", type=Path, default=DATA_PATH, help="for MNIST (data/mnist of the workspace)")
    add("--dataset", choices=DATASETS, default="auto", help="MNIST if possible (auto)")
    add("--learning_rate", type=float, default=0.001, help="of SGD with momentum 0.9 (0.001)")
    add("--seed", type=int, default=0, help="for the first weights and the order of digits (0)")
    add("--output_path", type=Path, default=Path("outputs"), help="for the results (./outputs)")
    add("--model_path", type=Path, help="for the model (model/ in --output_path)")
    return parser.parse_args(words)


if __name__ == "__main__":
    train(parse_args())
