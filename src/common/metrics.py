"""The numbers of a run as it goes: one line of JSON per epoch or step.

    log = MetricsLog(output_path)
    log(epoch=1, train_loss=0.61, validation_accuracy=0.87)

They are in `metrics.jsonl` at once, so a run that is stopped has its curve as well. It is a file in
./outputs because that is kept by every place, Azure ML among them, and asks for no package. Where
MLflow tracks the run (its variable MLFLOW_TRACKING_URI is set, as Azure ML does) and the package is
in the experiment's environment, the numbers go there as well.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class MetricsLog:
    """Begins `metrics.jsonl` anew in `folder`, which must be there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"
        self.path.write_text("", encoding="utf-8")
        self.count = 0
        self.mlflow = _mlflow()

    def __call__(self, **numbers: float) -> None:
        """One epoch or step: `epoch` or `step` counts it, everything else is a metric."""
        self.count += 1
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(numbers) + "\n")
        if self.mlflow is not None:
            step = int(numbers.get("step", numbers.get("epoch", self.count)))
            metrics = {name: v for name, v in numbers.items() if name not in ("epoch", "step")}
            self.mlflow.log_metrics(metrics, step=step)


def _mlflow() -> Any:
    """The package, when something tracks this run and it is installed."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return None
    try:
        import mlflow
    except ImportError:
        return None
    return mlflow
