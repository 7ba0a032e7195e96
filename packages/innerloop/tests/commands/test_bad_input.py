"""What goes wrong for a person is one sentence with its place, and exit code 1 or 2."""

from __future__ import annotations

import pytest

from tests.support import Workspace

DATA = "inputs:\n  d: {type: uri_folder, path: azureml:numbers:1}\n"

# words, exit code, what the sentence must hold
WRONG_WORDS: list[tuple[list[str], int, str]] = [
    (["run", "tinny"], 2, 'Did you mean "tiny"?'),
    (["run", "Tiny"], 2, 'Did you mean "tiny"?'),
    (["run", "../../etc"], 2, "[experiment-unknown]"),
    (["run", "a b"], 2, "[experiment-unknown]"),
    (["run", 'it\'s "quoted"'], 2, "[experiment-unknown]"),
    (["run", ""], 2, "[experiment-unknown]"),
    (["run"], 2, "[experiment-unnamed]"),
    (["build", "nothing"], 2, "[experiment-unknown]"),
    (["test", "nothing"], 2, "[experiment-unknown]"),
    (["rnu", "tiny"], 2, 'Did you mean "run"'),
    (["help", "rnu"], 2, 'Did you mean "run"'),
    (["run", "tiny", "--backend", "moon"], 2, "moon"),
    (["run", "tiny", "--epochs", "3"], 2, "--epochs"),
    (["run", "tiny", "--set", "inputs.epoch=3"], 2, "epochs"),
    (["run", "tiny", "--set", "epochs"], 2, "epochs"),
    (["run", "tiny", "--set", "=3"], 2, "="),
    (["run", "tiny", "--script", "not_here.py"], 1, "not_here.py"),
    (["run", "tiny", "--script", "../../pyproject.toml"], 1, "outside"),
    (["run", "tiny", "--file", "other.yaml"], 1, "src/tiny/other.yaml"),
    (["run", "tiny", "--backend", "in-container"], 1, "container"),
    (["new", "Churn"], 2, 'Write "churn"'),
    (["new", "my model"], 2, 'Write "my_model"'),
    (["new", "../escape"], 2, "[experiment-name-invalid]"),
    (["new", "a/../../escape"], 2, "[experiment-name-invalid]"),
    (["new", "/absolute"], 2, "[experiment-name-invalid]"),
    (["new", 'quo"te'], 2, "[experiment-name-invalid]"),
    (["new", "modèle"], 2, "[experiment-name-invalid]"),
    (["new", "9lives"], 2, "[experiment-name-invalid]"),
    (["new", "a" * 80], 2, "[experiment-name-invalid]"),
    (["new", "json"], 2, "[experiment-name-invalid]"),
    (["new", "class"], 2, "[experiment-name-invalid]"),
    (["new", "common"], 2, "src/common"),
    (["new", "tiny"], 1, "[experiment-name-taken]"),
    (["new", "tiny/inner"], 2, "experiment"),
    (["new", "src/fresh"], 2, 'Write "fresh"'),
    (["exec", "tiny", "ls", "-la"], 2, "after --: loop exec ... -- ls -la"),
    (["test", "tiny", "-k", "one"], 2, "after --: loop test ... -- -k one"),
    (["list", "tiny"], 2, "loop list --help"),
    (["run", "tiny", "--dryrun"], 2, "Did you mean --dry-run?"),
    (["runs", "--lats=3"], 2, "Did you mean --last?"),
    (["run", "tiny", "--backend", "azureml"], 2, "[backend-remote]"),
    (["new", "fresh", "--from", "nothing"], 2, "[experiment-unknown]"),
]


@pytest.mark.parametrize(("words", "code", "said"), WRONG_WORDS, ids=lambda value: str(value)[:40])
def test_words(workspace: Workspace, words: list[str], code: int, said: str) -> None:
    workspace.add("tiny", "print('never')", job="inputs: {epochs: 1}\n")
    before = sorted(workspace.root.rglob("*"))
    answer = workspace.loop(*words)
    assert (answer.code, answer.out) == (code, ""), answer.err
    assert said in answer.message
    assert len(answer.err.strip().splitlines()) == 1
    assert sorted(workspace.root.rglob("*")) == before


# the job file's text, what the sentence must hold
WRONG_JOBS = [
    ("command: [python\ncode: .\n", "src/tiny/azure-ml-job.yaml:2"),
    ("command: 'python\n", "src/tiny/azure-ml-job.yaml:"),
    ("\tcommand: python\n", "src/tiny/azure-ml-job.yaml:1"),
    ("", "src/tiny/azure-ml-job.yaml:1"),
    ("- a\n- b\n", "src/tiny/azure-ml-job.yaml:1"),
    ("code: .\n", "the job has no command"),
    ("comand: python train.py\ncode: .\n", "comand"),
    ("command: ''\n", "src/tiny/azure-ml-job.yaml:1"),
    ("command: python train.py ${{inputs.epochs}}\ncode: .\n", "epochs"),
    ("command: python train.py\ninputs: 3\ncode: .\n", "src/tiny/azure-ml-job.yaml:2"),
    (f"command: python train.py\n{DATA}code: .\n", "data/numbers"),
    ("command: python train.py\ncode: https://example.com/code\n", "not in this workspace"),
    ("command: python train.py\ncode: .\nenvironment: {}\n", "azure-ml-job.yaml:3"),
]


@pytest.mark.parametrize(("text", "said"), WRONG_JOBS, ids=lambda value: str(value)[:40])
def test_job_files(workspace: Workspace, text: str, said: str) -> None:
    workspace.add("tiny", "print('never')")
    workspace.write("src/tiny/azure-ml-job.yaml", text)
    answer = workspace.loop("run", "tiny", "--backend", "venv")
    assert (answer.code, answer.out) == (1, ""), answer.err
    assert said in answer.message
    assert "src/tiny/azure-ml-job.yaml" in answer.err
    assert not (workspace.root / "outputs").exists()


def test_a_job_file_that_is_gone_or_not_text(workspace: Workspace) -> None:
    workspace.add("tiny", "print('never')")
    file = workspace.root / "src/tiny/azure-ml-job.yaml"
    file.write_bytes(b"command: caf\xe9\n")
    assert "not UTF-8" in workspace.loop("run", "tiny").message
    file.unlink()
    answer = workspace.loop("run", "tiny")
    assert answer.code == 1
    assert "azure-ml-job.yaml" in answer.message


WRONG_FILES = [
    ("src/tiny/innerloop.toml", "gpu = maybe\n", "src/tiny/innerloop.toml"),
    ("src/tiny/innerloop.toml", 'gpu = "some"\n', "innerloop.toml"),
    ("src/tiny/innerloop.toml", 'gpuu = "all"\n', "gpu"),
    ("src/tiny/innerloop.toml", "ports = [70000]\n", "ports"),
    ("pyproject.toml", "[tool.innerloop\n", "pyproject.toml"),
    ("src/tiny/environment/Dockerfile", "", "Dockerfile"),
    ("src/tiny/environment/Dockerfile", "RUN echo hello\n", "Dockerfile"),
]


@pytest.mark.parametrize(("path", "text", "said"), WRONG_FILES, ids=lambda value: str(value)[:40])
def test_other_files(workspace: Workspace, path: str, text: str, said: str) -> None:
    workspace.add("tiny", "print('never')")
    workspace.write(path, text)
    answer = workspace.loop("run", "tiny", "--backend", "venv")
    assert (answer.code, answer.out) == (1, ""), answer.err
    assert said in answer.message


def test_no_experiment_yet(workspace: Workspace) -> None:
    assert "loop new" in workspace.loop("run", "tiny").message
    empty = workspace.loop("list")
    assert empty.code == 0 and "No experiments yet" in empty.out


def test_one_broken_experiment_does_not_hide_the_others(workspace: Workspace) -> None:
    workspace.add("good", "print('ran')")
    workspace.add("bad", "")
    workspace.write("src/bad/azure-ml-job.yaml", "command: [\n")
    listed = workspace.loop("list")
    assert listed.code == 1 and "good" in listed.out
    assert "src/bad/azure-ml-job.yaml" in listed.out.replace("\n", "")
    assert listed.message == ""
    run = workspace.loop("run", "good", "--backend", "venv")
    assert (run.code, run.out) == (0, "ran\n"), run.err
    synced = workspace.loop("sync")
    assert synced.code == 1 and "src/bad/azure-ml-job.yaml" in synced.message
    assert (workspace.root / ".devcontainer/good/devcontainer.json").is_file()


def test_a_reader_that_has_gone_is_no_error(workspace: Workspace) -> None:
    import subprocess

    for number in range(30):
        workspace.add(f"tiny{number}", "")
    loop = f"'{workspace.root}/scripts/loop' list --json | head -n 1"
    done = subprocess.run(["sh", "-c", loop], capture_output=True, text=True)
    assert done.stdout == "[\n"
    assert done.stderr == ""
