"""What a person writes in rendered files survives: a whole workspace, hand edits, one sync."""

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
def rendered(workspace: Workspace) -> Workspace:
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


def test_comments_own_tasks_and_removed_ones_stay_while_the_rest_is_rendered(
    rendered: Workspace,
) -> None:
    edit(
        rendered,
        TASKS,
        '"tasks": [',
        '"tasks": [\n        // mine\n        {"label": "mine", "type": "shell", "command": "true"},',
    )
    edit(rendered, LAUNCH, '"justMyCode": true', '"justMyCode": false  /* I look deeper */')
    assert in_line(rendered)
    set_epochs(rendered, 3)
    answer = rendered.loop("sync")
    assert (answer.code, answer.out) == (0, f"update {LAUNCH}\n")
    launch = rendered.read(LAUNCH)
    assert '"justMyCode": false  /* I look deeper */' in launch
    assert '"3"' in launch
    assert "// mine" in rendered.read(TASKS)
    rendered.add("second", "print(2)\n", job=JOB)
    assert rendered.loop("sync").code == 0
    tasks = rendered.read(TASKS)
    assert "// mine" in tasks and '"second"' in tasks
    assert in_line(rendered)


def test_what_a_person_removed_stays_removed(rendered: Workspace) -> None:
    launch = json.loads(rendered.read(LAUNCH))
    launch["configurations"] = [c for c in launch["configurations"] if c["name"] != "the open file"]
    rendered.write(LAUNCH, json.dumps(launch, indent=2))
    (rendered.root / ".vscode" / "extensions.json").unlink()
    set_epochs(rendered, 5)
    assert rendered.loop("sync").code == 0
    assert "the open file" not in rendered.read(LAUNCH)
    assert '"5"' in rendered.read(LAUNCH)
    assert not (rendered.root / ".vscode" / "extensions.json").exists()
    assert in_line(rendered)
    own = ".devcontainer/line/devcontainer.json"
    before = rendered.read(own)
    (rendered.root / own).unlink()
    assert rendered.loop("sync").code == 0 and not (rendered.root / own).exists()
    opened = rendered.loop("open", "line", "--print")
    assert opened.code == 1 and f"--take '{own}:.'" in opened.message
    assert rendered.loop("sync", "--take", f"{own}:.").code == 0
    assert rendered.read(own) == before
    assert in_line(rendered)


@pytest.mark.parametrize(("word", "epochs"), [("--keep", "99"), ("--take", "3")])
def test_a_clash_keeps_theirs_is_named_and_can_be_settled(
    rendered: Workspace, word: str, epochs: str
) -> None:
    changed = edit(rendered, LAUNCH, '"8"', '"99"')
    set_epochs(rendered, 3)
    for _ in range(2):
        answer = rendered.loop("sync")
        assert answer.code == 1
        assert f"{LAUNCH}:" in answer.message and ARGS in answer.message
        # The variable beside the arguments nobody touched, so it follows the job.
        assert rendered.read(LAUNCH) == changed.replace('epochs": "8"', 'epochs": "3"')
    assert rendered.loop("sync", "--check").code == 1
    assert rendered.loop("sync", word, f"{LAUNCH}:{ARGS}").code == 0
    assert f'"{epochs}"' in rendered.read(LAUNCH)
    assert in_line(rendered)


def test_a_file_that_cannot_be_read_is_left_and_the_others_are_rendered(
    rendered: Workspace,
) -> None:
    broken = edit(rendered, TASKS, '"tasks": [', '"tasks": [[')
    set_epochs(rendered, 3)
    answer = rendered.loop("sync")
    assert answer.code == 1
    assert f"innerloop: {TASKS}:" in answer.message
    assert rendered.read(TASKS) == broken
    assert '"3"' in rendered.read(LAUNCH)


def test_what_is_no_text_is_left_and_the_others_are_rendered(rendered: Workspace) -> None:
    (rendered.root / TASKS).write_bytes(b"\xff\xfe{")
    (rendered.root / ".vscode/settings.json").unlink()
    (rendered.root / ".vscode/settings.json").mkdir()
    set_epochs(rendered, 3)
    answer = rendered.loop("sync")
    assert answer.code == 1
    assert f"innerloop: {TASKS}: the file is not UTF-8 (byte 0). Save it as UTF-8" in answer.err
    assert "innerloop: .vscode/settings.json: cannot read it: is a directory" in answer.err
    assert (rendered.root / TASKS).read_bytes() == b"\xff\xfe{" and '"3"' in rendered.read(LAUNCH)


def test_a_journal_and_a_memory_that_a_disk_tore_off_are_as_lost(rendered: Workspace) -> None:
    rendered.write(".innerloop/writing/journal.json", '{"after')
    assert rendered.loop("sync", "--check").code == 0
    assert rendered.loop("sync").code == 0
    assert not (rendered.root / ".innerloop/writing").exists()
    (rendered.root / ".innerloop/state.json").write_bytes(b"\x00\xff")
    assert rendered.loop("sync", "--check").code == 1
    assert rendered.loop("sync").code == 0 and in_line(rendered)


def test_two_experiments_with_one_name_for_their_files_are_said(rendered: Workspace) -> None:
    rendered.add("a.b", "print(1)\n", job=JOB)
    assert rendered.loop("sync").code == 0
    rendered.add("a/b", "print(2)\n", job=JOB.replace("8", "9"))
    answer = rendered.loop("sync")
    assert answer.code == 1
    assert "src/a/b: a/b and a.b have one name for files and images, a.b" in answer.err
    assert '"8"' in rendered.read(LAUNCH) and '"9"' not in rendered.read(LAUNCH)
    assert rendered.loop("run", "a/b", "--dry-run").code == 1
    assert rendered.loop("run", "line", "--dry-run").code == 0


def test_a_deleted_experiment_takes_its_own_along_and_no_more(rendered: Workspace) -> None:
    rendered.add("second", "print(2)\n", job=JOB)
    rendered.loop("sync")
    edit(
        rendered,
        LAUNCH,
        '"configurations": [',
        '"configurations": [\n        {"name": "mine", "type": "debugpy", "request": "attach"},',
    )
    edit(
        rendered,
        ".devcontainer/second/devcontainer.json",
        "{",
        '{\n    "postCreateCommand": "true",',
    )
    rendered.write(".devcontainer/by hand/devcontainer.json", '{"image": "x"}')
    subprocess.run(["rm", "-r", str(rendered.root / "src" / "second")], check=True)
    answer = rendered.loop("sync")
    assert answer.code == 0
    assert "second: train.py" not in rendered.read(LAUNCH)
    assert '"mine"' in rendered.read(LAUNCH)
    left = json.loads(rendered.read(".devcontainer/second/devcontainer.json"))
    assert left == {"postCreateCommand": "true"}
    assert ".devcontainer/second/devcontainer.json" in answer.err
    assert rendered.read(".devcontainer/by hand/devcontainer.json") == '{"image": "x"}'
    assert in_line(rendered)


def test_a_lost_memory_takes_nothing_of_theirs_for_ours(rendered: Workspace) -> None:
    changed = edit(rendered, LAUNCH, '"justMyCode": true', '"justMyCode": false')
    for text in ("", "<<<<<<< ours\n"):
        rendered.write(".innerloop/state.json", text)
        assert rendered.loop("sync").code == 1  # which of the two is wanted can no longer be known
        assert rendered.read(LAUNCH) == changed


def test_a_memory_that_alone_is_behind_is_said(rendered: Workspace) -> None:
    memory = ".innerloop/state.json"
    kept = rendered.read(memory).splitlines()
    rendered.write(memory, "\n".join([kept[0], *reversed(kept[1:-1]), kept[-1]]) + "\n")
    answer = rendered.loop("sync", "--check")
    assert (answer.code, answer.out) == (
        1,
        f"would update {memory} alone: the files are in line with src/\n",
    )
    assert rendered.loop("sync").out == f"update {memory} alone: the files are in line with src/\n"
    assert in_line(rendered)


def test_the_diff_is_a_patch_that_does_what_a_sync_does(rendered: Workspace) -> None:
    edit(rendered, TASKS, '"tasks": [', '"tasks": [ // a\u2028b')
    text = rendered.read(LAUNCH).rstrip("\n").replace("\n", "\r\n")
    (rendered.root / LAUNCH).write_bytes(text.encode())
    set_epochs(rendered, 3)
    rendered.add("second", "print(2)\n", job=JOB)
    patch = rendered.root.parent / "sync.patch"
    shown = subprocess.run(
        [str(rendered.root / "scripts" / "loop"), "sync", "--diff"],
        cwd=rendered.root, capture_output=True, check=True,
    )  # fmt: skip
    patch.write_bytes(shown.stdout[: shown.stdout.index(b"\nwould ") + 1])
    apply = ["git", "apply", "--whitespace=nowarn", str(patch)]
    subprocess.run(apply, cwd=rendered.root, check=True)
    paths = (TASKS, LAUNCH, ".devcontainer/second/devcontainer.json")
    applied = [(rendered.root / path).read_bytes() for path in paths]
    subprocess.run([*apply[:2], "--reverse", *apply[2:]], cwd=rendered.root, check=True)
    assert not (rendered.root / paths[2]).exists()
    assert rendered.loop("sync").code == 0
    assert [(rendered.root / path).read_bytes() for path in paths] == applied


def test_an_ejected_file_is_theirs(rendered: Workspace) -> None:
    before = rendered.read(LAUNCH)
    assert rendered.loop("sync", "--eject", LAUNCH).code == 0
    set_epochs(rendered, 3)
    assert rendered.loop("sync").code == 0
    assert rendered.read(LAUNCH) == before
    assert in_line(rendered)
    answer = rendered.loop("sync", "--eject", ".vscode/lunch.json")
    assert answer.code == 2 and f'Did you mean "{LAUNCH}"' in answer.message
    assert answer.message.count(f'"{TASKS}"') <= 1


def test_an_ejected_file_is_given_back(rendered: Workspace) -> None:
    said = rendered.loop("sync", "--eject", "launch.json", cwd=rendered.root / ".vscode")
    how = f"--take '{LAUNCH}:.'"
    assert said.out == f"{LAUNCH} is yours from now on; {how} has it rendered again\n"
    mine = edit(rendered, LAUNCH, '"configurations": [', '"configurations": [ // mine')
    set_epochs(rendered, 3)
    assert rendered.loop("sync").code == 0 and rendered.read(LAUNCH) == mine
    refused = rendered.loop("sync", "--keep", f"{LAUNCH}:{ARGS}")
    assert refused.code == 1 and how in refused.message
    back = rendered.loop("sync", "--take", f"./{LAUNCH}:.")
    assert (back.code, back.out) == (0, f"update {LAUNCH}\n"), back.err
    assert rendered.read(LAUNCH) == mine.replace('"8"', '"3"')
    assert in_line(rendered)
    # Nothing clashes in one that was never changed, and it comes back all the same.
    assert rendered.loop("sync", "--eject", TASKS).code == 0
    assert rendered.loop("sync", "--take", f"{TASKS}:.").code == 0
    rendered.add("second", "print(2)\n", job=JOB)
    assert f"update {TASKS}" in rendered.loop("sync").out


@pytest.mark.parametrize("word", ["--keep", "--take"])
def test_a_whole_list_that_a_person_threw_out_is_settled_for_good(
    rendered: Workspace, word: str
) -> None:
    """What is remembered of tasks has no order: that alone is no new wish."""
    tasks = json.loads(rendered.read(TASKS))
    rendered.write(TASKS, json.dumps({**tasks, "tasks": None}))
    assert in_line(rendered)
    rendered.add("second", "print(2)\n", job=JOB)
    assert f"{TASKS}:1:" in rendered.loop("sync").message
    assert rendered.loop("sync", word, f"{TASKS}:tasks").code == 0
    assert in_line(rendered)
    assert (json.loads(rendered.read(TASKS))["tasks"] is None) == (word == "--keep")


def test_windows_line_endings_and_two_branches(rendered: Workspace) -> None:
    text = rendered.read(LAUNCH).replace("\n", "\r\n")
    (rendered.root / LAUNCH).write_bytes(text.encode())
    assert in_line(rendered)
    set_epochs(rendered, 3)
    assert rendered.loop("sync").code == 0
    after = (rendered.root / LAUNCH).read_bytes()
    assert after == text.replace('"8"', '"3"').encode()
