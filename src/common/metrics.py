"""The metrics of a run while it runs: one line of JSON per epoch in metrics.jsonl.

    log = MetricsLog(output_path)
    log(epoch=1, train_loss=0.61, validation_accuracy=0.87)

If MLflow is installed and tracks the run (Azure ML sets MLFLOW_TRACKING_URI), it gets them as well.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path


class MetricsLog:
    """Start an empty metrics.jsonl in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"
        self.path.write_text("", encoding="utf-8")

    def __call__(self, *, epoch: int, **metrics: float) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": epoch, **metrics}) + "\n")
        if os.environ.get("MLFLOW_TRACKING_URI") and find_spec("mlflow"):
            import mlflow

            mlflow.log_metrics(metrics, step=epoch)
