"""What a person writes in generated files survives: a whole workspace, hand edits, one sync."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support import Workspace

JOB = "command: python train.py --epochs ${{inputs.epochs}}\ninputs:\n  epochs: 8\n"
LAUNCH = ".vscode/launch.json"
TASKS = ".vscode/tasks.json"
ARGS = 'configurations["line: train.py"].args'


@pytest.fixture
def synced(workspace: Workspace) -> Workspace:
    workspace.add("line", "print(1)\n", job=JOB)
    assert workspace.loop("sync").code == 0
    return workspace


def edit(workspace: Workspace, path: str, old: str, new: str) -> str:
    text = workspace.read(path)
    assert old in text, text
    changed = text.replace(old, new, 1)
    workspace.write(path, changed)
    return changed


def set_epochs(workspace: Workspace, epochs: int) -> None:
    edit(workspace, "src/line/azure-ml-job.yaml", "epochs: 8", f"epochs: {epochs}")


def in_line(workspace: Workspace) -> bool:
    return workspace.loop("sync", "--check").code == 0


def test_comments_own_tasks_and_removed_ones_stay_while_the_rest_is_generated(
    synced: Workspace,
) -> None:
    edit(
        synced,
        TASKS,
        '"tasks": [',
        '"tasks": [\n        // mine\n        {"label": "mine", "type": "shell", "command": "true"},',
    )
    edit(synced, LAUNCH, '"justMyCode": true', '"justMyCode": false  /* I look deeper */')
    assert in_line(synced)
    set_epochs(synced, 3)
    answer = synced.loop("sync")
    assert (answer.code, answer.out) == (0, f"update {LAUNCH}\n")
    launch = synced.read(LAUNCH)
    assert '"justMyCode": false  /* I look deeper */' in launch
    assert '"3"' in launch
    assert "// mine" in synced.read(TASKS)
    synced.add("second", "print(2)\n", job=JOB)
    assert synced.loop("sync").code == 0
    tasks = synced.read(TASKS)
    assert "// mine" in tasks and '"second"' in tasks
    assert in_line(synced)


def test_what_a_person_removed_stays_removed(synced: Workspace) -> None:
    launch = json.loads(synced.read(LAUNCH))
    launch["configurations"] = [c for c in launch["configurations"] if c["name"] != "the open file"]
    synced.write(LAUNCH, json.dumps(launch, indent=2))
    (synced.root / ".vscode" / "extensions.json").unlink()
    set_epochs(synced, 5)
    assert synced.loop("sync").code == 0
    assert "the open file" not in synced.read(LAUNCH)
    assert '"5"' in synced.read(LAUNCH)
    assert not (synced.root / ".vscode" / "extensions.json").exists()
    assert in_line(synced)
    own = ".devcontainer/line/devcontainer.json"
    before = synced.read(own)
    (synced.root / own).unlink()
    assert synced.loop("sync").code == 0 and not (synced.root / own).exists()
    opened = synced.loop("open", "line", "--print")
    assert opened.code == 1 and f"--take '{own}:.'" in opened.message
    assert synced.loop("sync", "--take", f"{own}:.").code == 0
    assert synced.read(own) == before
    assert in_line(synced)


@pytest.mark.parametrize(("word", "epochs"), [("--keep", "99"), ("--take", "3")])
def test_conflict_keeps_theirs_is_named_and_can_be_resolved(
    synced: Workspace, word: str, epochs: str
) -> None:
    changed = edit(synced, LAUNCH, '"8"', '"99"')
    set_epochs(synced, 3)
    for _ in range(2):
        answer = synced.loop("sync")
        assert answer.code == 1
        assert f"{LAUNCH}:" in answer.message and ARGS in answer.message
        # The variable beside the arguments nobody touched, so it follows the job.
        assert synced.read(LAUNCH) == changed.replace('epochs": "8"', 'epochs": "3"')
    assert synced.loop("sync", "--check").code == 1
    assert synced.loop("sync", word, f"{LAUNCH}:{ARGS}").code == 0
    assert f'"{epochs}"' in synced.read(LAUNCH)
    assert in_line(synced)


def test_file_that_cannot_be_read_is_left_and_the_others_are_generated(
    synced: Workspace,
) -> None:
    broken = edit(synced, TASKS, '"tasks": [', '"tasks": [[')
    set_epochs(synced, 3)
    answer = synced.loop("sync")
    assert answer.code == 1
    assert f"innerloop: {TASKS}:" in answer.message
    assert synced.read(TASKS) == broken
    assert '"3"' in synced.read(LAUNCH)


def test_file_that_is_not_text_is_left_and_the_others_are_generated(synced: Workspace) -> None:
    (synced.root / TASKS).write_bytes(b"\xff\xfe{")
    (synced.root / ".vscode/settings.json").unlink()
    (synced.root / ".vscode/settings.json").mkdir()
    set_epochs(synced, 3)
    answer = synced.loop("sync")
    assert answer.code == 1
    assert f"innerloop: {TASKS}: the file is not UTF-8 (byte 0). Save it as UTF-8" in answer.err
    assert "innerloop: .vscode/settings.json: cannot read it: is a directory" in answer.err
    assert (synced.root / TASKS).read_bytes() == b"\xff\xfe{" and '"3"' in synced.read(LAUNCH)


def test_torn_journal_and_state_file_count_as_lost(synced: Workspace) -> None:
    synced.write(".innerloop/writing/journal.json", '{"after')
    assert synced.loop("sync", "--check").code == 1  # there is something to sweep
    assert synced.loop("sync").code == 0
    assert not (synced.root / ".innerloop/writing").exists()
    (synced.root / ".innerloop/state.json").write_bytes(b"\x00\xff")
    assert synced.loop("sync", "--check").code == 1
    assert synced.loop("sync").code == 0 and in_line(synced)


def test_two_experiments_with_one_name_for_their_files_are_said(synced: Workspace) -> None:
    synced.add("a.b", "print(1)\n", job=JOB)
    assert synced.loop("sync").code == 0
    synced.add("a/b", "print(2)\n", job=JOB.replace("8", "9"))
    answer = synced.loop("sync")
    assert answer.code == 1
    assert "src/a.b: " in answer.err and "[experiment-ambiguous]" in answer.err
    assert '"8"' in synced.read(LAUNCH) and '"9"' not in synced.read(LAUNCH)
    assert synced.loop("run", "a/b", "--dry-run").code == 1
    assert synced.loop("run", "line", "--dry-run").code == 0


def test_a_deleted_experiment_takes_its_own_along_and_no_more(synced: Workspace) -> None:
    synced.add("second", "print(2)\n", job=JOB)
    synced.loop("sync")
    edit(
        synced,
        LAUNCH,
        '"configurations": [',
        '"configurations": [\n        {"name": "mine", "type": "debugpy", "request": "attach"},',
    )
    edit(
        synced,
        ".devcontainer/second/devcontainer.json",
        "{",
        '{\n    "postCreateCommand": "true",',
    )
    synced.write(".devcontainer/by hand/devcontainer.json", '{"image": "x"}')
    subprocess.run(["rm", "-r", str(synced.root / "src" / "second")], check=True)
    answer = synced.loop("sync")
    assert answer.code == 0
    assert "second: train.py" not in synced.read(LAUNCH)
    assert '"mine"' in synced.read(LAUNCH)
    left = json.loads(synced.read(".devcontainer/second/devcontainer.json"))
    assert left == {"postCreateCommand": "true"}
    assert ".devcontainer/second/devcontainer.json" in answer.err
    assert synced.read(".devcontainer/by hand/devcontainer.json") == '{"image": "x"}'
    assert in_line(synced)


def test_damaged_state_file_takes_nothing_of_theirs_for_ours(synced: Workspace) -> None:
    changed = edit(synced, LAUNCH, '"justMyCode": true', '"justMyCode": false')
    for text in ("", "<<<<<<< ours\n"):
        synced.write(".innerloop/state.json", text)
        assert synced.loop("sync").code == 1  # the base is not known
        assert synced.read(LAUNCH) == changed


def test_outdated_state_file_alone_is_reported(synced: Workspace) -> None:
    state = ".innerloop/state.json"
    kept = synced.read(state).splitlines()
    synced.write(state, "\n".join([kept[0], *reversed(kept[1:-1]), kept[-1]]) + "\n")
    answer = synced.loop("sync", "--check")
    assert (answer.code, answer.out) == (
        1,
        f"would update {state} only: the files are up to date\n",
    )
    assert synced.loop("sync").out == f"update {state} only: the files are up to date\n"
    assert in_line(synced)


def test_the_diff_is_a_patch_that_does_what_a_sync_does(synced: Workspace) -> None:
    edit(synced, TASKS, '"tasks": [', '"tasks": [ // a\u2028b')
    text = synced.read(LAUNCH).rstrip("\n").replace("\n", "\r\n")
    (synced.root / LAUNCH).write_bytes(text.encode())
    set_epochs(synced, 3)
    synced.add("second", "print(2)\n", job=JOB)
    patch = synced.root.parent / "sync.patch"
    shown = subprocess.run(
        [str(synced.root / "scripts" / "loop"), "sync", "--diff"],
        cwd=synced.root, capture_output=True, check=True,
    )  # fmt: skip
    patch.write_bytes(shown.stdout[: shown.stdout.index(b"\nwould ") + 1])
    apply = ["git", "apply", "--whitespace=nowarn", str(patch)]
    subprocess.run(apply, cwd=synced.root, check=True)
    paths = (TASKS, LAUNCH, ".devcontainer/second/devcontainer.json")
    applied = [(synced.root / path).read_bytes() for path in paths]
    subprocess.run([*apply[:2], "--reverse", *apply[2:]], cwd=synced.root, check=True)
    assert not (synced.root / paths[2]).exists()
    assert synced.loop("sync").code == 0
    assert [(synced.root / path).read_bytes() for path in paths] == applied


def test_an_ejected_file_is_theirs(synced: Workspace) -> None:
    before = synced.read(LAUNCH)
    assert synced.loop("sync", "--eject", LAUNCH).code == 0
    set_epochs(synced, 3)
    assert synced.loop("sync").code == 0
    assert synced.read(LAUNCH) == before
    assert in_line(synced)
    answer = synced.loop("sync", "--eject", ".vscode/lunch.json")
    assert answer.code == 2 and f'Did you mean "{LAUNCH}"' in answer.message
    assert answer.message.count(f'"{TASKS}"') <= 1


def test_an_ejected_file_is_given_back(synced: Workspace) -> None:
    said = synced.loop("sync", "--eject", "launch.json", cwd=synced.root / ".vscode")
    how = f"--take '{LAUNCH}:.'"
    assert said.out == f"{LAUNCH} is yours from now on; {how} undoes this\n"
    mine = edit(synced, LAUNCH, '"configurations": [', '"configurations": [ // mine')
    set_epochs(synced, 3)
    assert synced.loop("sync").code == 0 and synced.read(LAUNCH) == mine
    refused = synced.loop("sync", "--keep", f"{LAUNCH}:{ARGS}")
    assert refused.code == 1 and how in refused.message
    back = synced.loop("sync", "--take", f"./{LAUNCH}:.")
    assert (back.code, back.out) == (0, f"update {LAUNCH}\n"), back.err
    assert synced.read(LAUNCH) == mine.replace('"8"', '"3"')
    assert in_line(synced)
    # Nothing clashes in one that was never changed, and it comes back all the same.
    assert synced.loop("sync", "--eject", TASKS).code == 0
    assert synced.loop("sync", "--take", f"{TASKS}:.").code == 0
    synced.add("second", "print(2)\n", job=JOB)
    assert f"update {TASKS}" in synced.loop("sync").out


@pytest.mark.parametrize("word", ["--keep", "--take"])
def test_list_that_a_person_removed_is_resolved_for_good(synced: Workspace, word: str) -> None:
    """The record of tasks has no order: another order alone is no conflict."""
    tasks = json.loads(synced.read(TASKS))
    synced.write(TASKS, json.dumps({**tasks, "tasks": None}))
    assert in_line(synced)
    synced.add("second", "print(2)\n", job=JOB)
    assert f"{TASKS}:1:" in synced.loop("sync").message
    assert synced.loop("sync", word, f"{TASKS}:tasks").code == 0
    assert in_line(synced)
    assert (json.loads(synced.read(TASKS))["tasks"] is None) == (word == "--keep")


def test_windows_line_endings_and_two_branches(synced: Workspace) -> None:
    text = synced.read(LAUNCH).replace("\n", "\r\n")
    (synced.root / LAUNCH).write_bytes(text.encode())
    assert in_line(synced)
    set_epochs(synced, 3)
    assert synced.loop("sync").code == 0
    after = (synced.root / LAUNCH).read_bytes()
    assert after == text.replace('"8"', '"3"').encode()
