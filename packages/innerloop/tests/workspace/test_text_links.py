"""Links that git checked out as text files: which files are links, and what they lead to."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.local import code_view
from innerloop.model.experiment import Link
from innerloop.remote import snapshot
from innerloop.scaffold import format as formatting
from innerloop.util import files, process
from innerloop.util.errors import UserError
from innerloop.util.undo_journal import Write
from innerloop.workspace import loader, shared_code_links, text_links
from tests.support import git

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes the links to compare with")

FILES = {
    "src/common/rates.py": "RATE = 7\n",
    "src/common/vision/augment.py": "def flip(x):\n    return -x\n",
    "src/common/vision/deep/masks.py": "",
    "src/tiny/environment/Dockerfile": "FROM scratch\n",
    "src/tiny/train.py": "import common\n",
    "src/tiny/common/own.py": "OWN = 1\n",
    "src/tiny/common/looks_like.py": "../../common/rates.py",
    "src/tiny/.amlignore": "*.md\n../common/vision/deep/\n",
}
LINKS = {
    "src/tiny/common/rates.py": "../../common/rates.py",
    "src/tiny/common/vision": "../../common/vision",
    "src/tiny/first.py": "train.py",
    "src/shop/deep/common/rates.py": "../../../common/rates.py",
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with real links."""
    root = tmp_path_factory.mktemp("origin") / "work"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, text in LINKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(text)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "all")
    return root


@pytest.fixture
def checkout(origin: Path, tmp_path: Path) -> Iterator[Path]:
    """A clone where git writes links as text files."""
    git(tmp_path, "clone", "-q", "-c", "core.symlinks=false", str(origin), "work")
    text_links.forget()
    yield tmp_path / "work"
    text_links.forget()


def plant(root: Path, path: str, text: str | bytes) -> None:
    """A text file that git's index has as a link."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert text_links.record(root, {path: "x"})


def test_links_are_what_the_index_says(checkout: Path) -> None:
    assert not (checkout / "src/tiny/common/rates.py").is_symlink()
    assert text_links.targets(checkout, "src/tiny") == {
        "src/tiny/common/rates.py": "src/common/rates.py",
        "src/tiny/common/vision": "src/common/vision",
        "src/tiny/first.py": "src/tiny/train.py",
    }
    assert set(text_links.targets(checkout)) == set(LINKS)


def test_checkout_with_links_has_no_text_links(origin: Path) -> None:
    assert text_links.below(origin) == ()
    assert text_links.resolve(origin, "src/tiny/common/vision/a.py").endswith("vision/a.py")


def test_workspace_below_the_top_of_its_repository_is_read_from_its_own_folder(
    checkout: Path,
) -> None:
    assert text_links.targets(checkout / "src", "tiny/common") == {
        "tiny/common/rates.py": "common/rates.py",
        "tiny/common/vision": "common/vision",
    }
    (checkout / "src/tiny/common/new.py").write_text("../../common/rates.py")
    assert text_links.record(checkout / "src", {"tiny/common/new.py": "../../common/rates.py"})
    assert "src/tiny/common/new.py" in text_links.targets(checkout)


def test_setting_of_the_person_counts_as_that_of_the_repository(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings").write_text("[Core]\n\tSymLinks = No\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))
    git(tmp_path, "clone", "-q", str(origin), "work")
    assert set(text_links.targets(tmp_path / "work")) == set(LINKS)


def test_without_a_repository_the_content_of_files_in_common_counts(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")
    text_links.forget()
    assert set(text_links.targets(checkout)) == {
        "src/tiny/common/rates.py",
        "src/tiny/common/vision",
        "src/tiny/common/looks_like.py",
        "src/shop/deep/common/rates.py",
    }


def test_without_git_the_content_of_files_in_common_counts(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "which", lambda name: None)
    assert "src/tiny/common/rates.py" in text_links.targets(checkout)
    assert "src/tiny/first.py" not in text_links.targets(checkout)


@pytest.mark.parametrize(
    "text",
    [
        "/etc/passwd",
        "C:\\Windows\\win.ini",
        "\\\\server\\share",
        "../../../../outside",
        "../../..",
        "..",
        "../../tiny",
        "../../common/missing.py",
        "rates.py",  # another text file
        "vision/augment.py",  # behind another text file
        "bad.py",  # itself
        "a\0b",
        "../../common/rates.py\nRATE = 1",
        b"\xff\xfe",
        b"",
        b"../../common/rates.py" + b" " * 1_000_000,
    ],
    ids=range(16),
)
def test_hostile_text_is_no_target(checkout: Path, text: str | bytes) -> None:
    (checkout.parent / "outside").write_text("secret")
    plant(checkout, "src/tiny/common/bad.py", text)
    assert "src/tiny/common/bad.py" not in text_links.targets(checkout)
    assert text_links.resolve(checkout, "src/tiny/common/bad.py") == "src/tiny/common/bad.py"
    sent = {file.name: file.source for file in snapshot.read(checkout, "src/tiny").files}
    assert sent["common/bad.py"] == str(checkout / "src/tiny/common/bad.py")


def test_target_that_is_reached_by_a_link_that_leads_out_is_refused(checkout: Path) -> None:
    (checkout.parent / "outside.py").write_text("secret")
    (checkout / "src/common/leak.py").symlink_to(checkout.parent / "outside.py")
    plant(checkout, "src/tiny/common/leak.py", "../../common/leak.py")
    assert "src/tiny/common/leak.py" not in text_links.targets(checkout)


def test_real_link_at_the_path_is_a_link(checkout: Path) -> None:
    path = checkout / "src/tiny/common/rates.py"
    path.unlink()
    path.symlink_to("../../common/rates.py")
    assert "src/tiny/common/rates.py" not in text_links.targets(checkout)
    assert "M src/tiny/common/rates.py" not in git(checkout, "status", "--porcelain")


def test_experiment_has_the_links_that_it_has_with_real_ones(origin: Path, checkout: Path) -> None:
    real = {(one.path, one.target) for one in loader.links_of(origin, origin / "src/tiny")}
    texts = set(loader.links_of(checkout, checkout / "src/tiny"))
    assert {(one.path, one.target) for one in texts} == real
    assert Link("src/tiny/common/rates.py", "src/common/rates.py", is_text=True) in texts
    of_origin = sorted(loader.WorkspaceFiles(origin).links("src"))
    assert sorted(loader.WorkspaceFiles(checkout).links("src")) == of_origin
    disk = loader.WorkspaceFiles(checkout)
    assert disk.read("src/tiny/common/rates.py") == "RATE = 7\n"
    assert disk.read("src/tiny/common/vision/augment.py") == FILES["src/common/vision/augment.py"]
    assert disk.is_dir("src/tiny/common/vision")


def test_snapshot_has_the_bytes_and_the_digest_of_real_links(origin: Path, checkout: Path) -> None:
    real, text = snapshot.read(origin, "src/tiny"), snapshot.read(checkout, "src/tiny")
    assert text.digest == real.digest
    assert [(one.name, one.size, one.linked) for one in text.files] == [
        (one.name, one.size, one.linked) for one in real.files
    ]
    assert text.left_out == real.left_out
    assert "common/vision/deep/masks.py" not in {one.name for one in text.files}


def test_snapshot_of_a_circle_of_text_files_is_refused(checkout: Path) -> None:
    (checkout / "src/common/other").mkdir()
    plant(checkout, "src/common/other/back", "../vision")
    plant(checkout, "src/common/vision/forth", "../other")
    with pytest.raises(UserError) as refused:
        snapshot.read(checkout, "src/tiny")
    assert refused.value.code == "link-circular"
    assert refused.value.where.startswith("src/tiny/common/vision/forth")


def view_of(checkout: Path) -> dict[str, str]:
    targets = text_links.targets(checkout, "src/tiny")
    return {path.removeprefix("src/tiny/"): str(checkout / to) for path, to in targets.items()}


def test_view_on_this_machine_has_the_code_of_the_targets(checkout: Path) -> None:
    code, view = checkout / "src/tiny", checkout / ".innerloop/scratch/tiny/1"
    outputs = files.make_folder(checkout / "outputs/tiny/1")
    made = code_view.make_links(str(code), view, outputs, {}, texts=view_of(checkout))
    assert (view / "common/rates.py").read_text() == "RATE = 7\n"
    assert (view / "common/vision/augment.py").read_text().startswith("def flip")
    assert (view / "common/own.py").read_text() == "OWN = 1\n"
    assert (view / "common/looks_like.py").read_text() == "../../common/rates.py"
    assert (view / "first.py").read_text() == "import common\n"
    (view / "common/new.txt").write_text("the program's")
    code_view.close(made, outputs, 0)
    assert not view.exists()
    assert (outputs / "beside-outputs/common/new.txt").read_text() == "the program's"
    assert git(checkout, "status", "--porcelain", "src") == ""


def test_view_of_a_container_has_a_place_for_each_target(checkout: Path) -> None:
    code, view = checkout / "src/tiny", checkout / ".innerloop/scratch/tiny/1"
    outputs = files.make_folder(checkout / "outputs/tiny/1")
    (code / "common/sub").mkdir()
    (code / "common/sub/x.py").write_text("")
    entries = code_view.entries_of(str(code), texts=view_of(checkout))
    assert entries.parts == ("environment", "common/sub")
    made = code_view.make_for_container(str(code), view, entries, ())
    kinds = {path.relative_to(view).as_posix(): path.is_dir() for path in view.rglob("*")}
    assert kinds["common/vision"] and kinds["common/sub"]
    assert not kinds["common/rates.py"] and (view / "common/rates.py").stat().st_size == 0
    assert os.path.samefile(view / "common/own.py", code / "common/own.py")
    (view / "common/new.txt").write_text("the program's")
    for close in (made, code_view.View(view, str(code))):  # as another process would
        code_view.close(close, outputs, 0)
    assert not view.exists()
    beside = outputs / "beside-outputs"
    assert [p.name for p in beside.rglob("*") if p.is_file()] == ["new.txt"]
    assert git(checkout, "status", "--porcelain", "src/common") == ""


def test_formatters_see_no_text_file(checkout: Path) -> None:
    links = formatting._links(checkout, ["src"])
    assert set(links) == set(LINKS)
    mirrored = formatting._mirror(checkout, checkout / formatting.MIRROR, ["src"])
    copied = {path for path, _ in mirrored}
    assert "src/tiny/common/rates.py" not in copied
    assert "src/common/rates.py" in copied


def test_shares_of_text_files_work_and_their_state_is_said(checkout: Path) -> None:
    shares = {share.link: share for share in shared_code_links.find(checkout, "src/tiny")}
    rates = shares["src/tiny/common/rates.py"]
    assert (rates.state, rates.works, rates.target) == ("text", True, "src/common/rates.py")
    assert "src/tiny/common/looks_like.py" not in shares  # an ordinary file for git
    plant(checkout, "src/tiny/common/gone.py", "../../common/gone.py")
    shares = {share.link: share for share in shared_code_links.find(checkout, "src/tiny")}
    gone = shares["src/tiny/common/gone.py"]
    assert (gone.state, gone.works, gone.target) == ("text", False, None)


def test_untracked_text_file_is_no_link_until_it_is_recorded(checkout: Path) -> None:
    text = "../../common/rates.py"
    (checkout / "src/tiny/common/new.py").write_text(text)
    (share,) = (
        one for one in shared_code_links.find(checkout, "src/tiny") if one.link.endswith("new.py")
    )
    assert (share.state, share.works) == ("text", False)
    step = Write(share.link, text)
    assert "git has src/tiny/common/new.py as a link" in shared_code_links.record(checkout, [step])
    assert text_links.targets(checkout)[share.link] == "src/common/rates.py"
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "more")
    assert git(checkout, "ls-tree", "HEAD", share.link).startswith("120000")
    text_links.release(checkout, [share.link])
    assert share.link not in text_links.targets(checkout)


def test_note_of_a_text_file_outside_of_a_repository_says_what_git_would_do(tmp_path: Path) -> None:
    step = Write("src/a/common/x.py", "../../common/x.py")
    assert "share --repair" in shared_code_links.record(tmp_path, [step])
    assert shared_code_links.record(tmp_path, []) == ""


def test_view_is_made_where_windows_makes_no_links(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files get a second name and folders a junction, for which a link stands here."""
    make_link = os.symlink

    def refused(*_: object, **__: object) -> None:
        error = OSError(errno.EPERM, "A required privilege is not held by the client")
        error.winerror = 1314  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(os, "symlink", refused)
    monkeypatch.setattr(files, "_join", lambda target, path: make_link(target, path))
    code, view = checkout / "src/tiny", checkout / ".innerloop/scratch/tiny/1"
    outputs = files.make_folder(checkout / "outputs/tiny/1")
    made = code_view.make_links(str(code), view, outputs, {}, texts=view_of(checkout))
    assert not (view / "train.py").is_symlink() and not (view / "common/rates.py").is_symlink()
    assert (view / "common/rates.py").read_text() == "RATE = 7\n"
    assert (view / "common/vision/augment.py").is_file()
    (view / "outputs/model").write_text("m")
    code_view.close(made, outputs, 0)
    assert not view.exists()
    assert [p.name for p in outputs.rglob("*")] == ["model"]
    assert git(checkout, "status", "--porcelain", "src") == ""


def test_junction_of_a_view_is_removed_and_never_entered(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = files.make_folder(checkout / ".innerloop/scratch/tiny/1/environment").parent
    gone: list[str] = []
    monkeypatch.setattr(files, "is_link", lambda path: path.endswith("environment"))
    monkeypatch.setattr(files, "remove_all", lambda names, folder: gone.extend(names))
    code_view.close(code_view.View(view, str(checkout / "src/tiny")), checkout / "outputs", 0)
    assert gone == ["environment"]
