"""Which model is served."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from innerloop.serving import models
from innerloop.serving.models import ServedModel
from innerloop.util.errors import UserError
from innerloop.workspace import loader
from tests.support import Workspace


def ran(workspace: Workspace, run: str, code: int | None, *, model: str = "model") -> Path:
    folder = workspace.root / "outputs" / "line" / run
    name = run.replace("/", "-")
    record = {"run": name, "experiment": "line", "exit_code": code, "started": run}
    workspace.write(f"outputs/line/{run}/.run/run.json", json.dumps(record))
    if model:
        workspace.write(f"outputs/line/{run}/{model}/model.json", "{}")
    return folder / model


def chosen(workspace: Workspace, word: str | None = None, cwd: Path | None = None) -> ServedModel:
    values = loader.open_workspace(workspace.root)
    experiment = loader.open_experiment(values, "line")
    return models.choose(values, experiment, word, cwd or workspace.root)


def test_the_last_run_that_ended_well_and_left_one(workspace: Workspace) -> None:
    workspace.add("line", "")
    ran(workspace, "1", 0)
    wanted = ran(workspace, "2", 0)
    ran(workspace, "3", 1)
    ran(workspace, "4", None)
    ran(workspace, "5", 0, model="")
    assert chosen(workspace) == ServedModel(str(wanted), "outputs/line/2/model")


def test_a_run_or_a_path_that_is_named(workspace: Workspace) -> None:
    workspace.add("line", "")
    first, failed = ran(workspace, "20260101-a", 0), ran(workspace, "20260102-b", 1)
    ran(workspace, "20260103-c", 0)
    assert chosen(workspace, "20260101-a").path == str(first)
    assert chosen(workspace, "20260102").path == str(failed)  # asked for by name
    below = workspace.root / "outputs"
    assert chosen(workspace, "line/20260101-a/model", below).path == str(first)
    assert chosen(workspace, str(first / "model.json")).origin.endswith("model/model.json")


def test_a_submitted_jobs_outputs(workspace: Workspace) -> None:
    """As `loop download` brings them: below ./outputs, as Azure ML keeps it."""
    workspace.add("line", "")
    model = ran(workspace, "calm_fig_1", 0, model="outputs/model")
    assert chosen(workspace).path == str(model)


def test_none_is_a_sentence_that_says_what_to_do(workspace: Workspace) -> None:
    workspace.add("line", "")
    with pytest.raises(UserError, match="outputs/line: no run of line .*`scripts/loop run line`"):
        chosen(workspace)
    ran(workspace, "20260101-a", 0, model="")
    with pytest.raises(UserError, match=r"Write the model to ./outputs/model"):
        chosen(workspace)
    with pytest.raises(UserError, match="the run 20260101-a has no model"):
        chosen(workspace, "20260101-a")
    with pytest.raises(UserError, match='20260101-b is neither.*Did you mean "20260101-a"'):
        chosen(workspace, "20260101-b")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file sharing maps the owners")
def test_a_model_for_your_eyes_alone_cannot_be_read_by_the_server(workspace: Workspace) -> None:
    workspace.add("line", "")
    folder = ran(workspace, "1", 0)
    model = chosen(workspace)
    models.require_readable(model)
    (folder / "model.json").chmod(0o600)
    with pytest.raises(UserError, match="only you may read model.json.*chmod -R o"):
        models.require_readable(model)


@pytest.mark.skipif(sys.platform == "win32", reason="a link is not for everybody there")
def test_a_link_that_leads_nowhere_is_said(workspace: Workspace) -> None:
    workspace.add("line", "")
    (ran(workspace, "1", 0) / "best.pt").symlink_to("checkpoints/7.pt")
    with pytest.raises(UserError, match="the link best.pt is broken: there is no checkpoints/7.pt"):
        models.require_readable(chosen(workspace))


def scored(workspace: Workspace, run: str, loss: str, *, into: str = "metrics.json") -> Path:
    workspace.write(f"outputs/line/{run}/{into}", f'{{"loss": {loss}}}')
    return ran(workspace, run, 0)


def test_a_run_that_diverged_is_passed_over(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.add("line", "")
    wanted = scored(workspace, "1", "0.5")
    diverged = scored(workspace, "2", "NaN")
    assert chosen(workspace).path == str(wanted)
    assert "2 (loss nan)" in capsys.readouterr().err
    assert chosen(workspace, "2").path == str(diverged)  # asked for by name


def test_no_model_of_runs_that_all_diverged(workspace: Workspace) -> None:
    workspace.add("line", "")
    scored(workspace, "1", "Infinity")
    with pytest.raises(UserError) as refused:
        chosen(workspace)
    assert refused.value.code == "model-diverged"


def test_the_best_trial_of_a_sweep_not_its_last(workspace: Workspace) -> None:
    workspace.add("line", "")
    losses = [("NaN", None), ("0.5", 0.5), ("0.7", 0.7)]
    for number, (loss, _) in enumerate(losses, 1):
        scored(workspace, f"1/trial-{number}", loss)
    ran(workspace, "1/trial-4", 3)  # a failed trial is no failure of the best one
    trials = [
        {"trial": f"trial-{number}", "state": "done", "metric": metric, "diverged": metric is None}
        for number, (_, metric) in enumerate(losses, 1)
    ]
    record = {"metric": "loss", "goal": "minimize", "best": "trial-2", "trials": trials}
    wanted = "outputs/line/1/trial-2/model"
    for text in (record, {**record, "best": None}):  # the latter by a version before
        workspace.write("outputs/line/1/trials.json", json.dumps(text))
        assert chosen(workspace).origin == wanted
    for damaged in ('{"trials": 1}', json.dumps({**record, "best": None, "trials": trials[:1]})):
        workspace.write("outputs/line/1/trials.json", damaged)
        with pytest.raises(UserError) as refused:
            chosen(workspace)
        assert refused.value.code == "model-missing"


def test_no_step_of_a_pipeline_that_diverged(workspace: Workspace) -> None:
    workspace.add("line", "")
    wanted = scored(workspace, "1", "0.5")
    scored(workspace, "2/train", "NaN")
    ran(workspace, "2/register", 0)
    assert chosen(workspace).path == str(wanted)


LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("weights.pt", LFS, "git-lfs-pointer"),
        ("weights.pt.dvc", "outs:\n", "data-not-fetched"),
        ("deep/weights.pt", "/annex/objects/SHA256E-s10--abc\n", "data-not-fetched"),
    ],
)
def test_model_whose_content_is_not_here_is_not_served(
    tmp_path: Path, name: str, text: str, code: str
) -> None:
    file = tmp_path / "model" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        models.require_readable(ServedModel(str(tmp_path / "model"), "outputs/1/model"))
    assert (caught.value.code, caught.value.where) == (code, "outputs/1/model")
    assert name in caught.value.what


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes there")
def test_model_with_a_named_pipe_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    os.mkfifo(tmp_path / "model/pipe")
    with pytest.raises(UserError) as caught:
        models.require_readable(ServedModel(str(tmp_path / "model"), "outputs/1/model"))
    assert caught.value.code == "file-not-regular"
