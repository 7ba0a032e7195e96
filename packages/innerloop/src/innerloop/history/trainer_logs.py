"""The logs of trainers: Lightning's `metrics.csv` and the Hugging Face trainer's `trainer_state.json`.

Source: Lightning, `lightning.fabric.loggers.csv_logs`; Transformers, `transformers.TrainerState`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..util import json_records
from . import json_metrics, metric_values, run_metrics
from .run_metrics import RunMetrics

TABLE, STATE = "metrics.csv", "trainer_state.json"


def read_table(text: str, source: str) -> RunMetrics:
    """The columns of a table with a column `step` or `epoch`; an empty cell is no value."""
    import csv  # here: few runs have a table

    try:
        entries = list(_rows(text))
    except csv.Error:
        return RunMetrics()
    return run_metrics.of_series(json_metrics.series_in(entries, source))


def _rows(text: str) -> Iterator[Mapping[str, float]]:
    import csv

    # No line that ends in the middle of a cell: the program still writes it.
    whole = text[: text.rfind("\n") + 1]
    lines = csv.reader(whole.replace("\0", "").splitlines())
    heads = next(lines, [])
    if not set(heads) & set(json_metrics.STEPS):
        return
    for row in lines:
        cells = ((head, metric_values.parsed(cell)) for head, cell in zip(heads, row, strict=False))
        yield {head: value for head, value in cells if value is not None}


def read_state(text: str, source: str) -> tuple[float, RunMetrics]:
    """The step that a trainer's state is of, and the metrics of its log."""
    state = json_records.lenient(text)
    if not isinstance(state, dict):
        return -1.0, RunMetrics()
    log, step = state.get("log_history"), state.get("global_step")
    entries = [entry for entry in log if isinstance(entry, dict)] if isinstance(log, list) else []
    metrics = run_metrics.of_series(json_metrics.series_in(entries, source))
    return metric_values.value_of(step) or 0.0, metrics
