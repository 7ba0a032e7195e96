"""What is measured, printed and recorded at the end of every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from pytorch_accelerated import Trainer
from pytorch_accelerated.callbacks import TrainerCallback
from torch import Tensor


class EpochMetrics(TrainerCallback):
    """Losses, accuracy and seconds of each epoch, in `epochs`; `record` gets them as keywords.

    The accuracy is also in the Trainer's run history, after `Trainer.evaluate` too.
    """

    def __init__(self, record: Callable[..., None]) -> None:
        self.record = record
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_start(self, trainer: Trainer, **_: Any) -> None:
        self.started = time.perf_counter()

    def on_eval_epoch_start(self, trainer: Trainer, **_: Any) -> None:
        self.correct: list[Tensor] = []

    def on_eval_step_end(self, trainer: Trainer, batch: Any, batch_output: Any, **_: Any) -> None:
        self.correct.append(batch_output["model_outputs"].argmax(1) == batch[1])

    def on_eval_epoch_end(self, trainer: Trainer, **_: Any) -> None:
        # The processes may have different numbers of digits: padded, and the padding removed.
        correct = trainer.gather(torch.cat(self.correct).float(), padding_value=-1)
        trainer.run_history.update_metric("accuracy", correct.mean().item())

    def on_training_run_epoch_end(self, trainer: Trainer, **_: Any) -> None:
        latest = trainer.run_history.get_latest_metric
        epoch = {
            "epoch": trainer.run_history.current_epoch,
            "train_loss": latest("train_loss_epoch"),
            "validation_loss": latest("eval_loss_epoch"),
            "validation_accuracy": latest("accuracy"),
            "seconds": time.perf_counter() - self.started,
        }
        self.epochs.append(epoch)
        if trainer.run_config.is_world_process_zero:
            self.record(**epoch)
        trainer.print(
            f"epoch {epoch['epoch']}/{trainer.run_config.num_epochs}"
            f"   train loss {epoch['train_loss']:.4f}"
            f"   validation loss {epoch['validation_loss']:.4f}"
            f"   validation accuracy {epoch['validation_accuracy']:.2%}"
            f"   {epoch['seconds']:.1f} s",
            flush=True,
        )
