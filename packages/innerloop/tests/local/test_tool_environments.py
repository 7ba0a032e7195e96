"""Environments that tools keep in the code folder: which they are, and where a run has its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from innerloop.local import tool_environments
from innerloop.model.environment import Image, ResolvedEnvironment
from tests.local.test_docker_request import request_of, run_of


@pytest.fixture
def code(tmp_path: Path) -> Path:
    code = tmp_path / "src/line"
    code.mkdir(parents=True)
    (code / "train.py").write_text("")
    return code


@pytest.mark.parametrize(
    ("path", "command", "names"),
    [
        (".venv/pyvenv.cfg", "", (".venv",)),
        (".venv/empty", "", (".venv",)),
        ("env/pyvenv.cfg", "", ("env",)),
        ("conda/conda-meta/history", "", ("conda",)),
        (".pixi/envs/x", "", (".pixi",)),
        ("__pypackages__/3.11/lib/x", "", ("__pypackages__",)),
        ("uv.lock", "", (".venv",)),
        ("poetry.lock", "", (".venv",)),
        ("Pipfile", "", (".venv",)),
        ("pixi.toml", "", (".pixi",)),
        ("pyproject.toml", "uv run python train.py", (".venv",)),
        ("pyproject.toml", "python train.py", ()),
        ("x.py", "uv run python train.py", ()),
        ("x.py", "python -m venv .env && . .env/bin/activate", (".env",)),
        ("x.py", "python3 -m venv --clear here; true", ("here",)),
        ("x.py", "uv venv --seed box\nbox/bin/python x.py", ("box",)),
        ("x.py", "python -m venv /opt/x", ()),
        ("x.py", "python -m venv deep/er", ()),
        ("data/x.csv", "", ()),
        ("venv.py", "", ()),
    ],
)
def test_names_in_a_folder(code: Path, path: str, command: str, names: tuple[str, ...]) -> None:
    (code / path).parent.mkdir(parents=True, exist_ok=True)
    (code / path).write_text("")
    assert tool_environments.names_in(str(code), command) == names


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("python -m venv .venv", (".venv",)),
        ("[ -d .venv ] || python3 -m venv ./.venv/; . .venv/bin/activate", (".venv",)),
        ("python -m venv --prompt me --clear 'box' && box/bin/python x.py", ("box",)),
        ("(python -m venv a)\nvirtualenv -p python3.11 b | cat", ("a", "b")),
        ("python -m venv \\\n  --clear box", ("box",)),
        ("uv venv && uv pip install x", (".venv",)),
        ("uv venv --python 3.11", (".venv",)),
        ("uv venv --python 3.11 --seed box; true", ("box",)),
        ("uv run python train.py", ()),
        ("uv venv /tmp/x", ()),
        ("python -m venv /opt/x && python -m venv outputs && python -m venv .", ()),
        ("python -m venv $HOME/x", ()),
        ("python -m venv", ()),
        ("python -m venvs x", ()),
        ("myvirtualenv x", ()),
        ("python train.py", ()),
    ],
)
def test_created_by_a_command_are_the_names_it_gives(command: str, names: tuple[str, ...]) -> None:
    assert tool_environments.created_by(command) == names


def test_environment_that_the_command_creates_is_absent_at_its_start(
    tmp_path: Path, code: Path
) -> None:
    (code / ".venv/bin").mkdir(parents=True)
    (code / ".venv/pyvenv.cfg").write_text("mine")
    (code / ".venv/bin/tool").write_text("mine")
    job = 'code: .\nenvironment: {image: a}\ncommand: "[ -d .venv ] || python -m venv .venv"\n'
    request = request_of(run_of(str(tmp_path), job))
    assert not [word for word in request.argv if word.endswith("/.venv")]
    assert ".venv" not in request.mounts[0].parts
    # A printed command mounts the code folder itself: there the person's environment is covered.
    assert [word for word in request.plain_argv if "environments/line-" in word]


def test_names_in_a_folder_that_does_not_exist_are_none(tmp_path: Path) -> None:
    assert tool_environments.names_in(str(tmp_path / "no")) == ()


def test_request_mounts_an_environment_of_the_image_in_place_of_the_persons(
    tmp_path: Path, code: Path
) -> None:
    (code / ".venv").mkdir()
    run = run_of(str(tmp_path))
    for one in (run, replace(run, in_place=True)):
        mount = request_of(one).mounts[-1]
        assert mount.target == f"/workspaces/{tmp_path.name}/src/line/.venv"
        assert mount.source.startswith(f"{tmp_path}/.innerloop/environments/line-")
        assert ".venv" not in request_of(one).mounts[0].parts
        assert not Path(mount.source).exists()


def test_folder_of_another_image_is_another_one(tmp_path: Path) -> None:
    run = run_of(str(tmp_path))
    first, second = (
        replace(run, environment=ResolvedEnvironment("dockerfile", image=Image("i", digest=digest)))
        for digest in ("1", "2")
    )
    names = {tool_environments.folder_of(one, "docker") for one in (run, first, second)}
    assert len(names) == 3
    assert tool_environments.folder_of(first, "venv", python="3") == tool_environments.folder_of(
        second, "venv", python="3"
    )


def test_variables_leave_the_persons_own_choice(tmp_path: Path) -> None:
    assert tool_environments.variables([".venv"], "/e", {}) == {
        "UV_PROJECT_ENVIRONMENT": "/e/.venv"
    }
    assert tool_environments.variables([".venv"], "/e", {"UV_PROJECT_ENVIRONMENT": "/x"}) == {}
    assert tool_environments.variables([".pixi"], "/e", {}) == {}
