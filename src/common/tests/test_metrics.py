import sys

from common.metrics import MetricsLog


def test_each_epoch_is_a_line_as_soon_as_it_is_logged(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "metrics.jsonl").write_text("of an earlier run\n")
    log = MetricsLog(tmp_path)
    log(epoch=1, loss=0.5)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"epoch": 1, "loss": 0.5}\n'
    log(epoch=2, loss=0.25)
    assert (tmp_path / "metrics.jsonl").read_text().endswith('\n{"epoch": 2, "loss": 0.25}\n')


def test_mlflow_gets_the_metrics_of_a_run_that_it_tracks(tmp_path, monkeypatch):
    lines = ("calls = []", "def log_metrics(metrics, step): calls.append((metrics, step))")
    (tmp_path / "mlflow.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:./mlruns")
    MetricsLog(tmp_path)(epoch=3, loss=0.5)
    assert sys.modules.pop("mlflow").calls == [({"loss": 0.5}, 3)]
