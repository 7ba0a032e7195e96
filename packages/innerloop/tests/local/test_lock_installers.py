"""The backend venv installs each kind of lock, and checks each package against its hash."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.local.venv_requirements import packages_for
from innerloop.model.dockerfiles import dockerfile
from innerloop.runner import environment_resolver
from innerloop.workspace import loader
from tests.releases import index_over, sha256
from tests.support import Workspace, locked

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs bash")
UV = Path(sys.executable).with_name("uv")
PROJECT = """[project]
name = "team"
version = "1"
requires-python = ">=3.10"
dependencies = ["tiny-locked==1.0"]
"""
JOB = "command: python -c 'import tiny_locked; print(tiny_locked.WORDS)'\n"
WORDS = "out of a lock"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an index with one package, and its wheel."""
    folder = tmp_path_factory.mktemp("shelf")
    wheel = folder / "tiny_locked-1.0-py3-none-any.whl"
    info = "tiny_locked-1.0.dist-info"
    texts = {
        "tiny_locked.py": f"WORDS = {WORDS!r}\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-locked\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            rows.append(f"{name},sha256={digest.decode().rstrip('=')},{len(text)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,", ""]))
    with index_over(folder) as address:
        yield address, wheel


def uv(folder: Path, *words: str, index: str) -> None:
    argv = [str(UV), *words, "--default-index", index]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=120)


def write_locks(workspace: Workspace, index: str, wheel: Path) -> None:
    """A project with its lock in each form."""
    workspace.write("pyproject.toml", PROJECT)
    uv(workspace.root, "lock", index=index)
    export = ("export", "--frozen", "--no-emit-project", "--format", "pylock.toml", "--output-file")
    uv(workspace.root, *export, "pylock.toml", index=index)
    pin = f"tiny-locked==1.0 --hash=sha256:{sha256(wheel)}\n"
    workspace.write("envs/pins.txt", "-r below.txt\n")
    workspace.write("envs/below.txt", pin)
    workspace.write(
        "envs/poetry.lock",
        '[[package]]\nname = "tiny-locked"\nversion = "1.0"\noptional = false\ngroups = ["main"]\n'
        f'files = [{{file = "{wheel.name}", hash = "sha256:{sha256(wheel)}"}}]\n'
        '[metadata]\nlock-version = "2.1"\npython-versions = ">=3.10"\n',
    )


LOCKS = ("uv.lock", "pylock.toml", "envs/poetry.lock", "envs/pins.txt")
# Those whose hashes uv checks by itself; for the others the installer is told to.
CHECKED_BY_UV = LOCKS[:2]


def test_every_kind_of_lock_is_installed_and_checked(
    workspace: Workspace, shelf: tuple[str, Path], tmp_path: Path
) -> None:
    index, wheel = shelf
    write_locks(workspace, index, wheel)
    path = os.pathsep.join([str(UV.parent), os.environ["PATH"]])
    env = {
        "PATH": path,
        "UV_DEFAULT_INDEX": index,
        "UV_NO_CACHE": "1",
        "INNERLOOP_CACHE": str(tmp_path / "cache"),
    }
    for number, lock in enumerate(LOCKS):
        job = f"jobs{number}/job.yml"
        workspace.write(job, JOB)
        workspace.write(f"jobs{number}/innerloop.toml", f'[environment]\nfile = "{lock}"\n')
        answer = workspace.loop("run", job, "--backend", "venv", env=env)
        assert (answer.code, answer.out) == (0, f"{WORDS}\n"), (lock, answer.message)
        text, true = workspace.read(lock), sha256(wheel)
        if lock not in CHECKED_BY_UV:
            continue
        assert true in text
        workspace.write(lock, text.replace(true, "0" * 64))
        refused = workspace.loop("run", job, "--backend", "venv", env=env)
        assert refused.code == 1, lock
        assert "ready after" not in refused.message and "0" * 64 in refused.message, refused.err


def test_declared_lock_is_installed_with_the_groups_of_its_use(
    workspace: Workspace, shelf: tuple[str, Path]
) -> None:
    index, _ = shelf
    workspace.write("pyproject.toml", f"{PROJECT}[dependency-groups]\ntest = []\n")
    uv(workspace.root, "lock", index=index)
    workspace.write("ml/train.py", "import tiny_locked\nprint(tiny_locked.WORDS)\n")
    workspace.write("ml/job.yml", "command: python train.py\ncode: .\n")
    declared = '[experiments.train]\njob = "ml/job.yml"\nenvironment = "pyproject.toml"\n'
    workspace.write("innerloop.toml", declared)
    path = os.pathsep.join([str(UV.parent), os.environ["PATH"]])
    env = {"PATH": path, "UV_DEFAULT_INDEX": index}
    answer = workspace.loop("run", "train", "--backend", "venv", env=env)
    assert (answer.code, answer.out) == (0, f"{WORDS}\n"), answer.message
    opened = loader.open_workspace(workspace.root)
    train = loader.open_experiment(opened, "train")
    job = loader.open_job(opened, train)
    options = {
        use: packages.lock.options
        for use in ("job", "test", "dev")
        if (
            packages := packages_for(
                opened,
                environment_resolver.resolve(
                    opened, train, job, test=use == "test", dev=use == "dev"
                ),
            )
        ).lock
    }
    assert options["job"] == ("--no-default-groups",)
    assert options["test"] == ("--no-default-groups", "--group", "test")
    assert options["dev"] == ("--all-groups",)


def test_lock_beside_a_dockerfile_is_installed_without_an_engine(
    workspace: Workspace, shelf: tuple[str, Path], tmp_path: Path
) -> None:
    index, wheel = shelf
    folder = workspace.add("tiny", "import tiny_locked\nprint(tiny_locked.WORDS)\n")
    (folder / "environment/requirements.txt").unlink()
    workspace.write("src/tiny/environment/pyproject.toml", PROJECT)
    uv(folder / "environment", "lock", index=index)
    before = sorted(path.name for path in (folder / "environment").iterdir())
    path = os.pathsep.join([str(UV.parent), os.environ["PATH"]])
    env = {"PATH": path, "INNERLOOP_CACHE": str(tmp_path / "cache")}
    answer = workspace.loop("run", "tiny", "--backend", "venv", env=env)
    assert (answer.code, answer.out) == (0, f"{WORDS}\n"), answer.message
    assert sorted(path.name for path in (folder / "environment").iterdir()) == before


def test_pixis_lock_needs_an_image(workspace: Workspace) -> None:
    workspace.write("pixi.toml", "")
    workspace.write("pixi.lock", "version: 6\n")
    workspace.write("jobs/job.yml", JOB)
    workspace.write("jobs/innerloop.toml", '[environment]\nfile = "pixi.lock"\n')
    answer = workspace.loop("run", "jobs/job.yml", "--backend", "venv")
    assert answer.code == 1 and "environment-needs-docker" in answer.message


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.nightly
@pytest.mark.parametrize(
    ("lock", "pip"),
    [
        ("uv.lock", False),
        ("pylock.toml", False),
        ("poetry.lock", False),
        ("pins.txt", False),
        ("limited.txt", True),  # uv refuses constraints without hashes
    ],
)
def test_image_of_each_kind_of_lock_has_its_packages(
    workspace: Workspace, lock: str, pip: bool
) -> None:
    pin = locked("iniconfig")
    version = re.findall(r"iniconfig==([0-9.]+)", pin)[0]
    hashes = "".join(f'{{hash = "{one}"}}, ' for one in re.findall(r"sha256:[0-9a-f]{64}", pin))
    workspace.write("jobs/pins.txt", pin)
    workspace.write("jobs/limited.txt", f"-c limits.txt\n{pin}")
    workspace.write("jobs/limits.txt", f"iniconfig<={version}\n")
    workspace.write(
        "jobs/poetry.lock",
        f'[[package]]\nname = "iniconfig"\nversion = "{version}"\ngroups = ["main"]\n'
        f'files = [{hashes}]\n[metadata]\nlock-version = "2.1"\npython-versions = "*"\n',
    )
    project = PROJECT.replace("tiny-locked==1.0", f"iniconfig=={version}")
    project += "[dependency-groups]\ndev = []\n"
    workspace.write("jobs/pyproject.toml", project)
    for words in (("lock",), ("export", "--frozen", "--no-emit-project", "-o", "pylock.toml")):
        argv = [str(UV), *words]
        subprocess.run(
            argv, cwd=workspace.root / "jobs", check=True, capture_output=True, timeout=120
        )
    workspace.write(
        "jobs/job.yml", "command: python -c 'import iniconfig; print(iniconfig.__name__)'\n"
    )
    workspace.write("jobs/innerloop.toml", f'[environment]\nfile = "jobs/{lock}"\n')
    answer = workspace.loop("run", "jobs/job.yml", "--backend", "docker", timeout=600)
    assert (answer.code, answer.out) == (0, "iniconfig\n"), answer.message
    printed = [line.strip() for line in answer.err.splitlines()]
    assert ("innerloop: pip installs the packages" in printed) is pip
    # The same as an experiment, in an image and in its dev container.
    declared = f'[experiments.train]\njob = "jobs/job.yml"\nenvironment = "jobs/{lock}"\n'
    workspace.write("innerloop.toml", declared)
    answer = workspace.loop("run", "train", "--backend", "docker", timeout=600)
    assert (answer.code, answer.out) == (0, "iniconfig\n"), answer.message
    assert workspace.loop("sync").code == 0
    assert "outdated" not in workspace.loop("outdated", "train").message
    parsed = dockerfile.parse(workspace.read(".devcontainer/train/Dockerfile"), "Dockerfile")
    assert parsed.last.name == ("job" if lock == "uv.lock" else "")
    if lock == "uv.lock":
        answer = workspace.loop("build", "train", "--dev", timeout=600)
        assert answer.code == 0, answer.message
