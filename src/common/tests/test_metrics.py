import json
import sys
import types

from common.metrics import MetricsLog


def test_each_epoch_is_a_line_at_once(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "metrics.jsonl").write_text("of an earlier run\n")
    log = MetricsLog(tmp_path)
    log(epoch=1, loss=0.5)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"epoch": 1, "loss": 0.5}\n'
    log(epoch=2, loss=0.25, accuracy=0.9)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {"epoch": 2, "loss": 0.25, "accuracy": 0.9}


def test_where_mlflow_tracks_the_run_it_gets_them_too(tmp_path, monkeypatch):
    seen = []
    stand_in = types.ModuleType("mlflow")
    stand_in.log_metrics = lambda metrics, step: seen.append((metrics, step))
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:./mlruns")
    MetricsLog(tmp_path)(epoch=3, loss=0.5)
    assert seen == [({"loss": 0.5}, 3)]


def test_without_the_package_it_is_only_a_file(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)  # an import that fails
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:./mlruns")
    MetricsLog(tmp_path)(step=1, loss=0.5)
    assert (tmp_path / "metrics.jsonl").exists()
