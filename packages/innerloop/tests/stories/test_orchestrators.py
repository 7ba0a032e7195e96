"""The orchestrators' files of an experiment through its life.

Generated, edited, taken over, renamed, removed. In src/ only innerloop.toml belongs to them.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT, Workspace

JOB = "inputs:\n  epochs: 8\ncompute: azureml:c\n"
SCHEDULE = '[schedule]\ncron = "0 3 * * 1"\norchestrators = ["github", "azure-devops"]\n'
GITHUB = ".github/workflows/train-{}.yml"
PIPELINE = "orchestration/azure-devops/train-{}.yml"
VARIABLES = "orchestration/azure-devops/variables.yml"
STATE = ".innerloop/state.json"


@pytest.fixture
def scheduled(workspace: Workspace) -> Workspace:
    workspace.add("old", "print(1)\n", job=JOB, toml=SCHEDULE)
    workspace.add("other", "print(1)\n", job=JOB)
    assert workspace.loop("sync").code == 0
    return workspace


def in_line(workspace: Workspace) -> bool:
    return workspace.loop("sync", "--check").code == 0


def edit(workspace: Workspace, path: str, old: str, new: str) -> None:
    text = workspace.read(path)
    assert old in text
    workspace.write(path, text.replace(old, new))


def test_files_come_and_go_with_the_schedule(scheduled: Workspace) -> None:
    root = scheduled.root
    assert (root / GITHUB.format("old")).exists() and (root / PIPELINE.format("old")).exists()
    assert not (root / GITHUB.format("other")).exists()
    assert in_line(scheduled)
    listed = json.loads(scheduled.loop("list", "--json").out)
    assert [one["schedule"] for one in listed] == ["0 3 * * 1 (github, azure-devops)", ""]
    assert "started at (UTC)" in scheduled.loop("list").out
    scheduled.write("src/old/innerloop.toml", SCHEDULE.replace('"github", ', ""))
    answer = scheduled.loop("sync")
    assert "remove .github/workflows/train-old.yml" in answer.out
    assert (root / PIPELINE.format("old")).exists()
    scheduled.write("src/old/innerloop.toml", "")
    assert scheduled.loop("sync").code == 0
    assert not (root / "orchestration").exists() and not (root / ".github/workflows").exists()
    assert in_line(scheduled)


def test_another_orchestrator_changes_innerloop_toml_alone(scheduled: Workspace) -> None:
    """As git sees it: nothing else in src/ changes, and no other generated file does."""
    git = ["git", "-C", str(scheduled.root), "-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    edit(scheduled, "src/old/innerloop.toml", '"github", ', "")
    assert scheduled.loop("sync").code == 0
    status = [*git, "status", "--porcelain", "-uall"]
    changed = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    assert sorted(line[3:] for line in changed.splitlines()) == [
        ".github/workflows/train-old.yml", STATE, "src/old/innerloop.toml",
    ]  # fmt: skip
    edit(scheduled, "src/old/innerloop.toml", '["azure', '["github", "azure')
    assert scheduled.loop("sync").code == 0
    assert subprocess.run(status, capture_output=True, check=True).stdout == b""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_edit_of_a_generated_line_conflicts_until_it_is_resolved(
    scheduled: Workspace, end: str
) -> None:
    path = scheduled.root / GITHUB.format("old")
    mine = path.read_text().replace('default: "8"', 'default: "7"')
    path.write_bytes(mine.replace("\n", end).encode())
    path.chmod(0o640)
    assert in_line(scheduled)  # an edit alone is not reported
    edit(scheduled, "src/old/azure-ml-job.yaml", "epochs: 8", "epochs: 9")
    answer = scheduled.loop("sync")
    line = mine[: mine.index('default: "7"')].count("\n") + 1
    assert answer.code == 1
    assert f"{GITHUB.format('old')}:{line}:1: your version was kept" in answer.err
    assert "update orchestration/azure-devops/train-old.yml" in answer.out
    assert path.read_bytes().decode() == mine.replace("\n", end)
    where = f"{GITHUB.format('old')}:."
    assert f"--keep '{where}'" in answer.err
    kept = scheduled.loop("sync", "--keep", where)
    assert kept.code == 0 and in_line(scheduled)
    edit(scheduled, "src/old/azure-ml-job.yaml", "epochs: 9", "epochs: 10")
    assert scheduled.loop("sync").code == 1
    assert scheduled.loop("sync", "--take", where).code == 0
    text = path.read_bytes().decode()
    assert 'default: "10"' in text and 'default: "7"' not in text
    assert text.count("\r\n") == (text.count("\n") if end == "\r\n" else 0)
    assert path.stat().st_mode & 0o777 == 0o640
    assert in_line(scheduled)


def test_edit_of_another_line_is_merged(scheduled: Workspace) -> None:
    edit(scheduled, GITHUB.format("old"), "timeout-minutes: 360", "timeout-minutes: 30 # mine")
    edit(scheduled, "src/old/azure-ml-job.yaml", "epochs: 8", "epochs: 9")
    answer = scheduled.loop("sync")
    assert answer.code == 0, answer.err
    text = scheduled.read(GITHUB.format("old"))
    assert "timeout-minutes: 30 # mine" in text and 'default: "9"' in text
    assert in_line(scheduled)


def test_a_deleted_file_stays_deleted_and_an_ejected_one_is_left_alone(
    scheduled: Workspace,
) -> None:
    (scheduled.root / GITHUB.format("old")).unlink()
    pipeline = PIPELINE.format("old")
    assert scheduled.loop("sync", "--eject", pipeline).code == 0
    before = scheduled.read(pipeline)
    edit(scheduled, "src/old/azure-ml-job.yaml", "epochs: 8", "epochs: 9")
    answer = scheduled.loop("sync")
    assert answer.code == 0, answer.err
    assert not (scheduled.root / GITHUB.format("old")).exists()
    assert scheduled.read(pipeline) == before and in_line(scheduled)
    assert scheduled.loop("sync", "--take", f"{GITHUB.format('old')}:.").code == 0
    assert "epochs" in scheduled.read(GITHUB.format("old")) and in_line(scheduled)


def test_variables_that_a_person_fills_in_are_never_touched(scheduled: Workspace) -> None:
    edit(scheduled, VARIABLES, "variables:", "variables:\n  AZURE_RESOURCE_GROUP: rg")
    before = scheduled.read(VARIABLES)
    edit(scheduled, "src/old/azure-ml-job.yaml", "epochs: 8", "epochs: 9")
    assert scheduled.loop("sync").code == 0
    assert scheduled.read(VARIABLES) == before


def test_diff_shows_what_would_change(scheduled: Workspace) -> None:
    edit(scheduled, "src/old/innerloop.toml", "0 3 * * 1", "30 4 * * 2")
    answer = scheduled.loop("sync", "--diff")
    assert '-    - cron: "0 3 * * 1"\n+    - cron: "30 4 * * 2"\n' in answer.out
    assert scheduled.loop("sync", "--check").code == 1


def test_error_in_the_schedule_stops_no_run_and_removes_nothing(scheduled: Workspace) -> None:
    before = scheduled.read(GITHUB.format("old"))
    edit(scheduled, "src/old/innerloop.toml", "0 3 * * 1", "0 3 * * 8")
    answer = scheduled.loop("sync")
    assert answer.code == 1
    assert "src/old/innerloop.toml:2:1: " in answer.err and "[cron-invalid]" in answer.err
    assert scheduled.read(GITHUB.format("old")) == before
    assert (scheduled.root / VARIABLES).exists()
    assert scheduled.loop("run", "old", "--dry-run", "--backend", "venv").code == 0
    found = scheduled.loop("check", "old")
    assert found.code == 1 and "src/old/innerloop.toml:2:1-5: error: schedule.cron" in found.out
    assert scheduled.loop("check", "other").code == 0


def test_check_compares_the_schedule_with_the_job(scheduled: Workspace) -> None:
    scheduled.write("src/old/innerloop.toml", SCHEDULE + "[schedule.set]\ninputs.epoch = 3\n")
    found = scheduled.loop("check")
    assert found.code == 1
    assert "src/old/innerloop.toml:5:1-13: error: " in found.out and "[key-unknown]" in found.out
    scheduled.write("src/old/innerloop.toml", "gup = 1\n" + SCHEDULE)
    found = scheduled.loop("check")
    assert found.code == 1 and "[setting-unknown]" in found.out


@pytest.mark.parametrize("new", ["fresh", "shop/fresh"])
def test_rename_keeps_a_persons_edits(scheduled: Workspace, new: str) -> None:
    slug = new.replace("/", ".")
    edit(scheduled, GITHUB.format("old"), "timeout-minutes: 360", "timeout-minutes: 30")
    answer = scheduled.loop("rename", "old", new)
    assert answer.code == 0, answer.err
    assert not (scheduled.root / GITHUB.format("old")).exists()
    assert not (scheduled.root / PIPELINE.format("old")).exists()
    text = scheduled.read(GITHUB.format(slug))
    assert "timeout-minutes: 30" in text and f"name: train {new}\n" in text
    assert f"scripts/loop submit {new} " in text and f"group: train-{slug}\n" in text
    assert "old" not in text
    assert in_line(scheduled)
    # The base has the new name too, so a change is merged.
    edit(scheduled, f"src/{new}/azure-ml-job.yaml", "epochs: 8", "epochs: 9")
    answer = scheduled.loop("sync")
    assert answer.code == 0, answer.err
    assert f"update {PIPELINE.format(slug)}" in answer.out
    text = scheduled.read(GITHUB.format(slug))
    assert "timeout-minutes: 30" in text and 'default: "9"' in text


@pytest.mark.parametrize("new", ["fresh_line", "shop/fresh"])
def test_rename_renames_a_clusters_file(workspace: Workspace, new: str) -> None:
    workspace.write(
        "pyproject.toml", '[tool.innerloop]\nregistry = "ghcr.io/o/n"\norchestrators = ["argo"]\n'
    )
    job = "compute: azureml:c\n"
    workspace.add("old_line", "print(1)\n", job=job, toml='[schedule]\ncron = "0 3 * * 1"\n')
    assert workspace.loop("sync").code == 0
    edit(
        workspace, "orchestration/argo/old_line.yml", "entrypoint: main", "entrypoint: main # mine"
    )
    answer = workspace.loop("rename", "old_line", new)
    assert answer.code == 0, answer.err
    text = workspace.read(f"orchestration/argo/{new.replace('/', '.')}.yml")
    assert "entrypoint: main # mine" in text and "old" not in text
    assert in_line(workspace)


def test_one_sync_follows_a_folder_that_git_moved(workspace: Workspace) -> None:
    """Its file is the only one in its folder, which is not removed in between."""
    toml = '[schedule]\ncron = "0 3 * * 1"\norchestrators = ["argo"]\n'
    workspace.write("pyproject.toml", '[tool.innerloop]\nregistry = "example.com/o/n"\n')
    workspace.add("old", "print(1)\n", job=JOB, toml=toml)
    assert workspace.loop("sync").code == 0
    (workspace.root / "src/old").rename(workspace.root / "src/young")
    answer = workspace.loop("sync")
    assert answer.code == 0, answer.err
    assert "remove orchestration/argo/old.yml\nwrite orchestration/argo/young.yml" in answer.out
    assert in_line(workspace) and (workspace.root / "orchestration/argo/young.yml").exists()


def test_removed_experiment_is_no_longer_started(scheduled: Workspace) -> None:
    edit(scheduled, GITHUB.format("old"), "timeout-minutes: 360", "timeout-minutes: 30")
    mine = scheduled.read(GITHUB.format("old"))
    answer = scheduled.loop("remove", "old", "--yes")
    assert answer.code == 0, answer.err
    assert not (scheduled.root / GITHUB.format("old")).exists()
    assert not (scheduled.root / "orchestration").exists()
    assert in_line(scheduled)
    back = answer.out.partition("To restore it:\n")[2].splitlines()
    assert not any("azure-devops" in line for line in back)  # that one is generated again
    for line in back:
        subprocess.run(line, shell=True, cwd=scheduled.root, check=True)
    assert in_line(scheduled)
    assert scheduled.read(GITHUB.format("old")) == mine
    assert (scheduled.root / PIPELINE.format("old")).exists()


def test_copy_has_no_active_schedule(scheduled: Workspace) -> None:
    scheduled.write(
        "src/old/innerloop.toml", f'gpu = "none"\n{SCHEDULE}[data.x]\npath = "data/x"\n'
    )
    assert scheduled.loop("new", "twin", "--from", "old").code == 0
    text = scheduled.read("src/twin/innerloop.toml")
    assert '# [schedule]\n# cron = "0 3 * * 1"\n' in text and text.endswith(
        '[data.x]\npath = "data/x"\n'
    )
    assert not (scheduled.root / GITHUB.format("twin")).exists()


def test_two_branches_that_each_schedule_something_merge(scheduled: Workspace) -> None:
    """One changes a schedule's time, the other its form, and schedules another experiment.

    What git merges is what both generate.
    """
    scheduled.write(".gitattributes", (ROOT / ".gitattributes").read_text())
    git = ["git", "-C", str(scheduled.root), "-c", "user.name=A", "-c", "user.email=a@example.com"]

    def commit(*words: str) -> None:
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", *words], check=True)

    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    commit("all")
    subprocess.run([*git, "checkout", "-q", "-b", "side"], check=True)
    edit(scheduled, "src/old/innerloop.toml", "0 3 * * 1", "0 4 * * 2")
    assert scheduled.loop("sync").code == 0
    commit("another time")
    subprocess.run([*git, "checkout", "-q", "main"], check=True)
    edit(scheduled, "src/old/azure-ml-job.yaml", "epochs: 8", "epochs: 9")
    scheduled.write("src/other/innerloop.toml", SCHEDULE)
    assert scheduled.loop("sync").code == 0
    commit("another form")
    subprocess.run([*git, "merge", "-q", "--no-edit", "side"], check=True)
    answer = scheduled.loop("sync")
    assert answer.code == 0, answer.err
    text = scheduled.read(GITHUB.format("old"))
    assert '"0 4 * * 2"' in text and 'default: "9"' in text
    assert (scheduled.root / GITHUB.format("other")).exists() and in_line(scheduled)


def test_workflow_of_the_same_name_that_was_never_generated_is_left_alone(
    workspace: Workspace,
) -> None:
    path = workspace.write(GITHUB.format("old"), "name: mine\n")
    workspace.add("old", "print(1)\n", job=JOB, toml=SCHEDULE)
    answer = workspace.loop("sync")
    assert answer.code == 0 and f"{GITHUB.format('old')}: this file is yours" in answer.err
    assert Path(path).read_text() == "name: mine\n"
    assert in_line(workspace) and workspace.loop("sync").err == ""
