"""Story: somebody starts a workspace, in whatever folder they have."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from innerloop.sync.render import vscode_tasks
from tests import fork_server
from tests.stories import made
from tests.stories.made import git, init, tree
from tests.support import ROOT, repository_files

TRUNK = "[init]\n\tdefaultBranch = trunk\n"
CI = ("--github", "--azure-devops")
# What the repository has beside the workspace: the tool, and what is about the tool.
OF_THE_TOOL = re.compile(
    r"packages/|\.ci/|README\.md|LICENSE|SECURITY\.md|renovate\.json|\.pre-commit-config\.yaml"
    r"|\.github/(ISSUE_TEMPLATE/|pull_request_template\.md|workflows/innerloop-)"
    r"|scripts/loop-requirements\.txt"
)


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _tool: None) -> Path:
    """A folder in no repository, and git with no settings of a person."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "gitconfig").write_text("")
    made.wheel(tmp_path)
    return tmp_path


def test_repository_is_what_init_makes_with_the_example(plain: Path) -> None:
    """This repository is a workspace; only the tool, and what is about the tool, comes on top."""
    folder = plain / "innerloop"
    answer = init(folder, "--example", "digits", *CI)
    assert answer.code == 0, answer.err
    mine = {path: text for path, text in tree(folder).items() if not path.endswith("/")}
    names = [name for name in repository_files() if not OF_THE_TOOL.match(name)]
    own = {
        name: (
            f"-> {os.readlink(ROOT / name)}"
            if (ROOT / name).is_symlink()
            else (ROOT / name).read_bytes().decode("utf-8", "replace")
        )
        for name in names
    }
    alone = {"README.md", "scripts/loop-requirements.txt", f".innerloop/wheels/{made.WHEEL}"}
    assert sorted(set(mine) - alone) == sorted(own)
    # A generated file that differs: delete it and .innerloop/state.json here, then `scripts/loop sync`.
    assert [name for name in own if mine[name] != own[name]] == []
    runs = {name for name in own if os.access(ROOT / name, os.X_OK)}
    assert {name for name in own if os.access(folder / name, os.X_OK)} == runs
    pin = (ROOT / "scripts/loop-requirements.txt").read_text()
    assert mine["scripts/loop-requirements.txt"].endswith(pin.partition("\nmarkdown")[2])


def test_init_without_options_adds_nothing_that_runs_elsewhere(plain: Path) -> None:
    folder = plain / "acme-vision"
    answer = init(folder)
    assert answer.code == 0, answer.err
    names = set(tree(folder))
    assert not {
        name for name in names if name.startswith((".github", "orchestration", "notebooks"))
    }
    assert list((folder / "src").iterdir()) == []
    assert 20 <= len((folder / "README.md").read_text().splitlines()) <= 30
    readme = (folder / "README.md").read_text()
    assert readme.startswith("# acme-vision\n") and "<!--" not in readme
    tasks = {task.label for task in vscode_tasks.TASKS}
    steps = re.findall(r"(?m)^(\d)\. .*?\*(\d [^*]+)\*", readme)
    assert [number for number, _ in steps] == ["1", "2", "3"] and {
        name for _, name in steps
    } <= tasks
    assert (
        (folder / "pyproject.toml").read_text().startswith("# The settings of the workspace acme-")
    )
    assert made.loop(folder, "sync", "--check").code == 0
    assert made.loop(folder, "check").code == 0
    assert git(folder, "status", "--porcelain", "--ignored").count("!! ") == 0
    assert [line.strip() for line in answer.out.splitlines()[1:]] == [
        f"cd {folder}",
        "scripts/loop new my_experiment",
        "scripts/loop run my_experiment",
    ]


@pytest.mark.parametrize(
    ("options", "ours", "scheduled"),
    [
        ((), set(), 0),
        (("--github",), {"ci.yml", "prebuild.yml", "train-digit_recognition.yml"}, 1),
        (("--azure-devops",), {"ci.yml", "variables.yml", "train-digit_recognition.yml"}, 1),
    ],
    ids=["none", "github", "azure-devops"],
)
def test_schedules_come_with_an_orchestrator_alone_and_are_reported(
    plain: Path, options: tuple[str, ...], ours: set[str], scheduled: int
) -> None:
    answer = init(plain / "ws", "--example", "digits", *options)
    assert answer.code == 0, answer.err
    workflows = [path for path in (plain / "ws").rglob("*.yml") if "src" not in path.parts]
    assert {path.name for path in workflows} == ours
    crons = [
        path for path in workflows if re.search(r"(?m)^ *-? *(cron|schedules?):", path.read_text())
    ]
    assert len(crons) == scheduled == answer.err.count("starts a job by time")
    assert made.loop(plain / "ws", "sync", "--check").code == 0
    assert made.loop(plain / "ws", "check").code == 0


def test_init_with_the_tiny_example_runs_at_once(plain: Path) -> None:
    assert init(plain / "ws", "--example", "tiny").code == 0
    job = yaml.safe_load((plain / "ws/src/tiny/azure-ml-job.yaml").read_text())
    words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "1", job["command"]))
    done = subprocess.run([sys.executable, *words[1:]], cwd=plain / "ws/src/tiny")
    assert done.returncode == 0
    assert "scripts/loop run tiny" in (plain / "ws/README.md").read_text()
    assert (plain / "ws/src/tiny/tests/test_train.py").is_file()
    assert made.loop(plain / "ws", "sync", "--check").code == 0


def test_init_here_in_the_clone_of_an_empty_repository(plain: Path) -> None:
    git(plain, "init", "-q", "--bare", "origin.git")
    git(plain, "clone", "-q", "origin.git", "ws")
    answer = made.loop(plain, "init", ".", "--wheel", str(plain / made.WHEEL), cwd=plain / "ws")
    assert answer.code == 0, answer.err
    assert "cd " not in answer.out
    assert len(answer.out.splitlines()) == 4
    git(plain / "ws", "add", "--all")
    git(plain / "ws", "commit", "-qm", "Begin")
    git(plain / "ws", "push", "-q", "origin", "HEAD")
    assert made.loop(plain / "ws", "sync", "--check").code == 0


def test_init_keeps_what_a_host_puts_into_a_new_repository(plain: Path) -> None:
    folder = plain / "ws"
    git(plain, "init", "-q", "ws")
    own = {
        "ReadMe.md": b"# mine\n",
        "LICENSE": b"all mine",
        ".gitignore": b"*.log\r\n!keep.log",
        ".gitattributes": b"\xef\xbb\xbf*.bin binary\n",
        ".devcontainer/devcontainer.json": b'{"image": "python:3.13"} // mine\n',
        "AGENTS.md": b"# mine\n",
    }
    for name, content in own.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    answer = init(folder)
    assert answer.code == 0, answer.err
    assert not (folder / "README.md").exists()
    for name, content in own.items():
        text = (folder / name).read_bytes()
        if name in (".gitignore", ".gitattributes"):
            assert text != content and text.endswith(content.removeprefix(b"\xef\xbb\xbf"))
            assert text.startswith(content[:3]) == content.startswith(b"\xef\xbb\xbf")
        else:
            assert text == content
    assert not (folder / ".devcontainer/Dockerfile").exists()
    assert (folder / ".gitignore").read_bytes().count(b"\n") == (
        (folder / ".gitignore").read_bytes().count(b"\r\n")
    )
    assert made.loop(folder, "sync", "--check").code == 0


@pytest.mark.parametrize("count", [1, 8])
def test_init_in_a_full_folder_lists_what_is_there(plain: Path, count: int) -> None:
    (plain / "ws").mkdir()
    for number in range(count):
        (plain / "ws" / f"data\x1b{number}").write_text("mine")
    before = tree(plain / "ws")
    answer = init(plain / "ws")
    assert answer.code == 1
    assert "[path-exists]" in answer.message and r"data\x1b0" in answer.message
    assert ("and 3 more" in answer.message) == (count == 8)
    assert tree(plain / "ws") == before


@pytest.mark.parametrize("kind", ["a file", "a link", "a workspace"])
def test_init_in_the_place_of_something_else_changes_nothing(plain: Path, kind: str) -> None:
    (plain / "other").mkdir()
    if kind == "a file":
        (plain / "ws").write_text("mine")
    elif kind == "a link":
        (plain / "ws").symlink_to("other")
    else:
        assert init(plain / "ws").code == 0
    before = tree(plain)
    answer = init(plain / "ws")
    assert answer.code == 1 and "[path-exists]" in answer.message
    assert tree(plain) == before


@pytest.mark.parametrize("name", ["two  words it's", 'Müller "é" $HOME `x`'])
def test_init_takes_any_path_and_prints_it_for_the_shell(plain: Path, name: str) -> None:
    wheel = str(plain / made.WHEEL)
    answer = made.loop(plain, "init", f"deep/{name}", "--wheel", wheel, cwd=plain)
    assert answer.code == 0, answer.err
    folder = plain / "deep" / name
    cd = answer.out.splitlines()[1].strip()
    script = f"{cd} && pwd && [ -x scripts/loop ]"
    done = subprocess.run(["sh", "-c", script], cwd=plain, capture_output=True, text=True)
    assert done.stdout.strip() == str(folder), done
    assert (folder / "README.md").read_text().startswith(f"# {name}\n")
    assert made.loop(folder, "sync", "--check").code == 0


def test_init_through_a_folder_that_is_a_link(plain: Path) -> None:
    (plain / "disk").mkdir()
    (plain / "short").symlink_to("disk")
    assert init(plain / "short" / "ws").code == 0
    assert (plain / "disk/ws/pyproject.toml").is_file()
    assert made.loop(plain / "short/ws", "sync", "--check").code == 0


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_init_obeys_the_umask(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server, "current", None)  # it has the umask of its own start
    before = os.umask(0o077)
    try:
        assert init(plain / "ws").code == 0
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.lstat().st_mode) for path in (plain / "ws").rglob("*")}
    assert modes and not {mode & 0o077 for mode in modes} - {0}
    assert os.access(plain / "ws/scripts/loop", os.X_OK)
    assert made.loop(plain / "ws", "sync", "--check").code == 0


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder in which every user may look: the tests' own are root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="innerloop-person-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.person
def test_init_by_another_user_writes_what_is_theirs_or_nothing(everybodys: Path) -> None:
    """In a folder that everybody may write; and in one that only root may write."""
    source = everybodys / "packages/innerloop"
    for name in repository_files():
        if "/" not in name or name.startswith(("packages/innerloop/src/", "scripts/", "tests/")):
            (everybodys / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, everybodys / name, follow_symlinks=False)
    (source / "pyproject.toml").write_text("")
    shutil.copytree(Path(yaml.__file__).parent, source / "src/yaml")
    for name, mode in (("open", 0o777), ("closed", 0o755), ("cache", 0o777)):
        (everybodys / name).mkdir()
        (everybodys / name).chmod(mode)
    wheel = str(made.wheel(everybodys))

    def start(folder: Path) -> subprocess.CompletedProcess[str]:
        become = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
        python = ["/usr/bin/python3", "-c", made.START, str(source / "src"), str(folder)]
        words = ["init", str(folder), "--wheel", wheel]
        cache = str(everybodys / "cache")
        env = {"PATH": "/usr/bin:/bin", "HOME": cache, "INNERLOOP_CACHE": cache}
        return subprocess.run(
            [*become, *python, *words], cwd="/", env=env, capture_output=True, text=True
        )

    refused = start(everybodys / "closed" / "ws")
    assert refused.returncode == 1 and "[file-error]" in refused.stderr, refused.stderr
    assert list((everybodys / "closed").iterdir()) == []
    done = start(everybodys / "open" / "ws")
    assert done.returncode == 0, done.stderr
    assert {path.lstat().st_uid for path in (everybodys / "open/ws").rglob("*")} == {1000}


def test_init_names_the_files_that_git_would_not_keep(plain: Path) -> None:
    (plain / "ignored").write_text(".vscode\n*.txt\n/scripts/*.cmd\n# .github\n")
    (plain / "gitconfig").write_text(f"[core]\n\texcludesFile = {plain / 'ignored'}\n")
    for folder, options in (("ws", ()), ("bare", ("--no-git",))):
        answer = init(plain / folder, *options)
        assert answer.code == 0, answer.err
        assert answer.err.count("git ignores") == 3
        assert f"because of `.vscode` in {plain / 'ignored'}:1" in answer.err
        assert "scripts/loop-requirements.txt because of `*.txt`" in answer.err
        assert "scripts/loop.cmd and 1 more because of `/scripts/*.cmd`" in answer.err
        assert "`git add --force scripts/loop.cmd scripts/test.cmd` keeps them" in answer.err
    (plain / "gitconfig").write_text("")
    assert "git ignores" not in init(plain / "fine").err


def test_init_in_a_repository_that_ignores_the_folder_makes_its_own(plain: Path) -> None:
    git(plain, "init", "-q", "home")
    (plain / "home" / ".gitignore").write_text("/mine/\n")
    (plain / "home" / "mine").mkdir()
    assert init(plain / "home/mine/ws", cwd=plain).code == 0
    assert (plain / "home/mine/ws/.git").is_dir()
    assert init(plain / "home/kept", cwd=plain).code == 0
    assert not (plain / "home/kept/.git").exists()


def test_init_takes_the_first_branch_from_the_persons_settings(plain: Path) -> None:
    assert init(plain / "one").code == 0
    (plain / "gitconfig").write_text(TRUNK)
    other = {"GIT_DIR": str(plain / "elsewhere"), "GIT_WORK_TREE": str(plain)}
    assert init(plain / "two", env=other).code == 0
    heads = [(plain / name / ".git/HEAD").read_text() for name in ("one", "two")]
    assert heads == ["ref: refs/heads/main\n", "ref: refs/heads/trunk\n"]
    assert not (plain / "elsewhere").exists()


def test_init_with_an_older_git_or_none_makes_the_workspace(plain: Path) -> None:
    """Git before 2.28 knows neither the option nor the setting."""
    real = shutil.which("git")
    (plain / "old").mkdir()
    (plain / "none").mkdir()
    (plain / "old" / "git").write_text(
        f'#!/bin/sh\ncase "$*" in *--initial-branch*) exit 129;; esac\nexec {real} "$@"\n'
    )
    (plain / "old" / "git").chmod(0o755)
    old = init(plain / "ws", env={"PATH": f"{plain / 'old'}:{os.environ['PATH']}"})
    assert old.code == 0 and (plain / "ws/.git").is_dir(), old.err
    none = init(plain / "without", env={"PATH": str(plain / "none")})
    assert none.code == 0 and "git is not on PATH" in none.err
    assert tree(plain / "without").keys() == tree(plain / "ws").keys()


def test_dry_run_lists_the_files_that_init_writes_and_writes_none(plain: Path) -> None:
    (plain / "ws").mkdir()
    (plain / "ws" / ".gitignore").write_text("mine\n")
    before = tree(plain)
    options = ("--example", "digits", "--github")
    listed = init(plain / "ws", "--dry-run", *options)
    assert listed.code == 0, listed.err
    assert tree(plain) == before
    assert init(plain / "ws", *options).code == 0
    there = {path for path in tree(plain / "ws") if not path.endswith("/")}
    assert set(listed.out.splitlines()[:-1]) == there


def test_dry_run_from_the_sources_lists_the_wheel_that_the_workspace_will_hold(
    plain: Path,
) -> None:
    listed = made.loop(plain, "init", "ws", "--dry-run", cwd=plain)
    assert listed.code == 0, listed.err
    assert f".innerloop/wheels/{made.WHEEL}" in listed.out.splitlines()
    assert not (plain / "ws").exists()


def test_dry_run_with_a_wheel_that_is_missing_fails_as_init_does(plain: Path) -> None:
    for options in ((), ("--dry-run",)):
        answer = made.loop(plain, "init", "ws", "--wheel", "sub/../none.whl", *options, cwd=plain)
        assert answer.code == 1 and "[path-missing]" in answer.message
        assert f"{plain / 'none.whl'}:" in answer.message


@pytest.mark.parametrize("typed", ["a/../ws", "./ws/.", "{plain}/./ws/", "link/../ws", "../ws"])
def test_init_prints_the_folder_without_detours(plain: Path, typed: str) -> None:
    for folder in ("a", "here", "elsewhere/below"):
        (plain / folder).mkdir(parents=True)
    (plain / "link").symlink_to("elsewhere/below")
    cwd = plain / "here" if typed.startswith("../") else plain
    words = ["init", typed.format(plain=plain), "--wheel", str(plain / made.WHEEL)]
    answer = made.loop(plain, *words, cwd=cwd)
    assert answer.code == 0, answer.err
    cd = answer.out.splitlines()[1].strip()
    assert not re.search(r"\w/\.\.?(/|$)|/$", cd)
    done = subprocess.run(
        ["sh", "-c", f"{cd} && pwd -P && [ -x scripts/loop ]"],
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    expected = plain / ("elsewhere/ws" if typed.startswith("link") else "ws")
    assert done.returncode == 0 and done.stdout.strip() == str(expected.resolve())


@pytest.mark.parametrize("options", [("--github",), ("--azure-devops",), ("--dry-run", *CI)])
def test_init_with_ci_in_a_subfolder_of_a_repository_says_that_it_does_not_start(
    plain: Path, options: tuple[str, ...]
) -> None:
    git(plain, "init", "-q", "mono")
    (plain / "mono/.gitignore").write_text("/mine/\n")
    answer = init(plain / "mono/deep/ws", *options, cwd=plain)
    assert answer.code == 0 and f"subfolder of the repository {plain / 'mono'}" in answer.err
    for folder in ("mono/mine/ws", "alone"):
        assert "subfolder" not in init(plain / folder, *options, cwd=plain).err
    git(plain, "init", "-q", "new")
    assert "subfolder" not in init(plain / "new", *options, cwd=plain).err


def test_init_in_a_subfolder_without_ci_says_nothing_of_it(plain: Path) -> None:
    git(plain, "init", "-q", "mono")
    assert "subfolder" not in init(plain / "mono/ws", cwd=plain).err


@pytest.mark.parametrize(
    ("name", "content"), [(".gitignore", b"caf\xe9"), (".gitattributes", None)]
)
def test_init_that_fails_leaves_a_folder_as_it_was(
    plain: Path, name: str, content: bytes | None
) -> None:
    (plain / "ws").mkdir()
    if content is None:
        (plain / "ws" / name).mkdir()
    else:
        (plain / "ws" / name).write_bytes(content)
    answer = init(plain / "ws")
    assert answer.code == 1, answer.err
    assert [path.name for path in (plain / "ws").iterdir()] == [name]
