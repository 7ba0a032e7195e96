"""The view of the code: what a program may do in it, and what is where when it is gone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from innerloop.local import code_view
from innerloop.local.code_view import View
from innerloop.model.container import run_argv
from innerloop.util import files
from tests.local.test_docker_request import request_of, run_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")

Make = Callable[[], View]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    code = tmp_path / "src/line"
    (code / "data").mkdir(parents=True)
    (code / "outputs").mkdir()
    (code / "train.py").write_text("mine\n")
    (code / "config.json").write_text("{}\n")
    (code / "data/old.csv").write_text("1\n")
    (code / "latest").symlink_to("data/old.csv")
    return code


@pytest.fixture(params=["links", "container"])
def make(request: pytest.FixtureRequest, tmp_path: Path, code: Path) -> Make:
    """Makes the view of one of the two kinds. The folders of a container's are mounted elsewhere."""
    view, outputs = tmp_path / ".innerloop/scratch/line/1", tmp_path / "outputs/line/1"

    def made() -> View:
        files.make_folder(outputs)
        if request.param == "links":
            return code_view.make_links(str(code), view, outputs, {})
        entries = code_view.entries_of(str(code))
        return code_view.make_for_container(str(code), view, entries, ())

    return made


def close(view: View, root: Path) -> dict[str, str]:
    """The files in `beside-outputs` after the view was closed."""
    outputs = root / "outputs/line/1"
    code_view.close(view, outputs, time.time() - 3600)
    assert not (root / ".innerloop/scratch/line").exists()
    beside = outputs / "beside-outputs"
    found = (path for path in beside.rglob("*") if path.is_file())
    return {path.relative_to(beside).as_posix(): path.read_text() for path in found}


def state(code: Path) -> dict[str, str]:
    return {
        path.relative_to(code).as_posix(): path.read_text() if path.is_file() else ""
        for path in sorted(code.rglob("*"))
    }


def test_view_that_nothing_happened_in_leaves_nothing(
    make: Make, tmp_path: Path, code: Path
) -> None:
    before = state(code)
    assert close(make(), tmp_path) == {}
    assert state(code) == before


def test_links_of_the_code_are_in_the_view(make: Make, code: Path) -> None:
    link = make().folder / "latest"
    assert link.is_symlink() and os.path.basename(os.readlink(link)) in ("latest", "old.csv")


def test_new_files_of_the_program_move_out(make: Make, tmp_path: Path, code: Path) -> None:
    before = state(code)
    view = make()
    (view.folder / "best.ckpt").write_text("best")
    (view.folder / "lightning_logs/v0").mkdir(parents=True)
    (view.folder / "lightning_logs/v0/a").write_text("a")
    (view.folder / "__pycache__").mkdir()
    (view.folder / "__pycache__/x.pyc").write_text("")
    (view.folder / ".venv/bin").mkdir(parents=True)
    (view.folder / ".venv/pyvenv.cfg").write_text("")
    assert close(view, tmp_path) == {"best.ckpt": "best", "lightning_logs/v0/a": "a"}
    assert state(code) == before


def test_interpreter_that_pdm_writes_down_is_no_change_of_the_code(
    make: Make, tmp_path: Path, code: Path
) -> None:
    (code / ".pdm-python").write_text("/home/me/python")
    view = make()
    assert not (view.folder / ".pdm-python").exists()
    (view.folder / ".pdm-python").write_text("/workspaces/python")
    assert close(view, tmp_path) == {}
    assert (code / ".pdm-python").read_text() == "/home/me/python"


def test_change_of_a_file_is_a_change_of_the_code(make: Make, tmp_path: Path, code: Path) -> None:
    view = make()
    with (view.folder / "config.json").open("a") as file:
        file.write("more\n")
    assert close(view, tmp_path) == {}
    assert (code / "config.json").read_text() == "{}\nmore\n"


def test_replaced_and_removed_files_stay_the_persons(
    make: Make, tmp_path: Path, code: Path
) -> None:
    view = make()
    (view.folder / "new.tmp").write_text("theirs\n")
    os.replace(view.folder / "new.tmp", view.folder / "config.json")
    (view.folder / "train.py").unlink()
    assert close(view, tmp_path) == {"config.json": "theirs\n"}
    assert (code / "config.json").read_text() == "{}\n"
    assert (code / "train.py").read_text() == "mine\n"


def test_edits_of_the_person_meanwhile_stay_theirs(make: Make, tmp_path: Path, code: Path) -> None:
    view = make()
    (code / "new.tmp").write_text("edited\n")
    os.replace(code / "new.tmp", code / "train.py")  # as an editor saves
    (code / "evaluate.py").write_text("new\n")
    (code / "config.json").unlink()
    old = time.time() - 7200
    for name in ("train.py", "config.json"):
        if not (view.folder / name).is_symlink():
            os.utime(view.folder / name, (old, old))
    assert close(view, tmp_path) == {}
    assert (code / "train.py").read_text() == "edited\n"
    assert (code / "evaluate.py").read_text() == "new\n"
    assert not (code / "config.json").exists()


def test_what_the_program_wrote_into_a_file_that_was_replaced_meanwhile_is_kept(
    tmp_path: Path, code: Path
) -> None:
    view = code_view.make_for_container(
        str(code), tmp_path / ".innerloop/scratch/line/1", code_view.entries_of(str(code)), ()
    )
    (code / "new.tmp").write_text("edited\n")
    os.replace(code / "new.tmp", code / "config.json")
    (view.folder / "config.json").write_text("the program's\n")
    assert close(view, tmp_path) == {"config.json": "the program's\n"}
    assert (code / "config.json").read_text() == "edited\n"


def test_view_is_closed_without_knowing_how_it_was_made(
    make: Make, tmp_path: Path, code: Path
) -> None:
    """As for a run whose command was killed."""
    made = make()
    (made.folder / "best.ckpt").write_text("best")
    assert close(View(made.folder, str(code)), tmp_path) == {"best.ckpt": "best"}
    assert (code / "train.py").read_text() == "mine\n"


def test_link_of_the_program_moves_with_what_it_leads_to(make: Make, tmp_path: Path) -> None:
    view = make()
    (view.folder / "wandb/run-1").mkdir(parents=True)
    (view.folder / "wandb/run-1/log").write_text("log")
    (view.folder / "newest").symlink_to("wandb/run-1")
    close(view, tmp_path)
    beside = tmp_path / "outputs/line/1/beside-outputs"
    assert (beside / "newest/log").read_text() == "log"


def test_request_mounts_the_folders_of_the_code_into_the_view(tmp_path: Path, code: Path) -> None:
    request = request_of(run_of(str(tmp_path)))
    mount, *_ = request.mounts
    cwd = f"/workspaces/{tmp_path.name}/src/line"
    assert (mount.source, mount.target) == (str(code), cwd)
    assert (mount.view, mount.parts) == (f"{tmp_path}/.innerloop/scratch/line/1", ("data",))
    words = run_argv(request.container) if request.container is not None else []
    assert f"type=bind,source={mount.view},target={cwd}" in words
    assert f"type=bind,source={code}/data,target={cwd}/data" in words
    assert f"type=bind,source={code},target={cwd}" in request.json()["argv"]


def test_request_without_a_view_mounts_the_code_itself(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_place = request_of(replace(run_of(str(tmp_path)), in_place=True))
    assert in_place.mounts[0].view == ""
    monkeypatch.setattr(code_view, "MOST_FOLDERS", 0)
    assert request_of(run_of(str(tmp_path))).mounts[0].view == ""


def test_files_of_another_user_are_mounted(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_view, "_can_link", lambda path: not path.endswith("config.json"))
    request = request_of(run_of(str(tmp_path)))
    assert request.mounts[0].parts == ("data", "config.json")
    entries = code_view.for_container(run_of(str(tmp_path)))
    assert entries is not None
    folder = tmp_path / ".innerloop/scratch/line/1"
    view = code_view.make_for_container(str(code), folder, entries, ())
    assert (folder / "config.json").read_text() == ""
    assert close(view, tmp_path) == {}
    assert (code / "config.json").read_text() == "{}\n"


def test_data_in_the_code_folder_are_mounted_once(tmp_path: Path, code: Path) -> None:
    job = "command: a\ncode: .\ninputs:\n  d: {type: uri_folder, path: ./data}\n"
    run = replace(run_of(str(tmp_path), job), data={"d": str(code / "data")})
    container = request_of(run).container
    assert container is not None
    targets = [part.target for mount in container.mounts for part in mount.each()]
    assert len(targets) == len(set(targets))
    assert container.mounts[-1].read_only
