"""`loop vendor` with a pin of tiny wheels, which a folder has in the place of an index."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from innerloop.doctor import wheel_checks
from innerloop.doctor.checks import Checkup
from innerloop.model.workspace import Workspace
from innerloop.scaffold import vendor
from innerloop.scaffold.vendor import Selection
from innerloop.sync import engine
from innerloop.util import process, undo_journal, wheels
from innerloop.util.errors import UserError
from innerloop.util.wheels import LockedPackage, Target, Wheel
from tests.releases import index_over
from tests.scaffold.wheels_on_disk import line, wheel

PURE = "innerloop-1.0-py3-none-any.whl"
FAST = "fast-2.0-cp3{minor}-cp3{minor}-{tag}.whl"
LINUX, WINDOWS = "manylinux_2_17_x86_64", "win_amd64"
TWO = Selection(("linux-x86_64", "windows-amd64"), ("3.12",), ())
ONE = Selection(("linux-x86_64",), ("3.12",), ())


class _Team:
    """A workspace, and the folder that stands in for the index."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "workspace"
        self.index = folder / "index"
        (self.root / "scripts").mkdir(parents=True)
        self.tool = wheel(self.index, PURE)
        self.fast = [
            wheel(self.index, FAST.format(minor=minor, tag=tag))
            for minor, tag in ((12, LINUX), (12, WINDOWS))
        ]
        self.old = wheel(self.index, "old-1.0-py3-none-any.whl")
        self.pin(
            line(self.tool), line(*self.fast), line(self.old, marker="sys_platform == 'win32'")
        )

    def pin(self, *lines: str) -> None:
        (self.root / "scripts/loop-requirements.txt").write_text("".join(lines))

    def there(self) -> list[str]:
        folder = self.root / wheels.WHEELS
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def tree(self) -> dict[str, bytes]:
        paths = [
            path for path in self.root.rglob("*") if path.is_file() and path.name[-4:] != "lock"
        ]
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths}

    def facts(self) -> list[str]:
        checkup = Checkup(self.root, Workspace(str(self.root), (), None), ())  # type: ignore[arg-type]
        return [fact.state for fact in wheel_checks.vendored_wheels(checkup)]


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Team:
    made = _Team(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.index))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return made


@pytest.fixture
def without_pip(team: _Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder answers without pip, whose starts take most of the time of a test."""

    def take(
        _: object,
        into: Path,
        target: Target | None,
        packages: Sequence[LockedPackage],
        is_required: bool,
    ) -> list[Wheel]:
        into.mkdir()
        for found in wheels.wheels_in(team.index):
            fits = found.name.is_pure if target is None else found.name.fits(target)
            if fits and any(found.is_of(package) for package in packages):
                shutil.copy(team.index / found.name.file, into)
        there = wheels.wheels_in(into)
        if is_required and target and (missing := wheels.lacking(packages, there, target)):
            raise vendor._unavailable("", target, missing)
        return there

    monkeypatch.setattr(vendor, "_pip", lambda _: ["pip"])
    monkeypatch.setattr(vendor._Pip, "_download", take)


def test_vendor_for_two_systems_takes_each_wheel_once(team: _Team) -> None:
    vendored = vendor.make(team.root, TWO)
    expected = sorted(path.name for path in (team.tool, team.old, *team.fast))
    assert team.there() == expected == list(vendored.added)
    assert vendored.size == sum(path.stat().st_size for path in team.index.iterdir())
    assert not (team.root / vendor.SCRATCH).exists()
    assert "4 wheels" in vendor.describe(TWO, vendored)


def test_vendor_asks_the_index_that_uv_alone_is_told(
    team: _Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with index_over(team.index) as url:
        monkeypatch.setenv("UV_INDEX_URL", url)
        assert vendor.make(team.root, TWO).added == tuple(team.there())
    assert len(team.there()) == 4


@pytest.mark.usefixtures("without_pip")
def test_vendor_again_asks_no_index(team: _Team, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor.make(team.root, TWO)
    before = team.tree()
    monkeypatch.setattr(process, "run", lambda *_, **__: pytest.fail("a program was started"))
    again = vendor.make(team.root, TWO)
    assert (again.added, again.removed) == ((), ())
    assert team.tree() == before


@pytest.mark.usefixtures("without_pip")
def test_vendor_for_one_python_leaves_out_what_its_marker_excludes(team: _Team) -> None:
    vendor.make(team.root, ONE)
    assert team.there() == [FAST.format(minor=12, tag=LINUX), PURE]


def test_vendor_prefers_a_pure_wheel_for_several_targets_only(team: _Team) -> None:
    pure = wheel(team.index, "fast-2.0-py3-none-any.whl")
    team.pin(line(team.tool), line(*team.fast, pure))
    vendor.make(team.root, ONE)
    assert team.there() == [FAST.format(minor=12, tag=LINUX), PURE]
    for path in (team.root / wheels.WHEELS).iterdir():
        path.unlink()
    vendor.make(team.root, TWO)
    assert team.there() == [pure.name, PURE]


@pytest.mark.usefixtures("without_pip")
def test_vendor_of_the_tool_only_has_its_wheel_alone(team: _Team) -> None:
    vendor.make(team.root, TWO)
    vendored = vendor.make(team.root, Selection(TWO.platforms, TWO.pythons, (), tool_only=True))
    assert team.there() == [PURE]
    assert len(vendored.removed) == 3
    assert team.facts() == ["ok"]


@pytest.mark.usefixtures("without_pip")
def test_vendor_after_a_new_pin_replaces_what_is_pinned_no_more(team: _Team) -> None:
    vendor.make(team.root, ONE)
    own = wheel(team.root / wheels.WHEELS, "ours-1.0-py3-none-any.whl")
    (team.root / wheels.WHEELS / "README.md").write_text("ours\n")
    newer = wheel(team.index, "innerloop-1.1-py3-none-any.whl")
    team.pin(line(newer), line(*team.fast))
    assert team.facts() == ["note"]
    vendored = vendor.make(team.root, ONE)
    assert (vendored.added, vendored.removed) == ((newer.name,), (PURE,))
    assert vendored.foreign == (own.name,)
    assert team.there() == sorted(
        ["README.md", FAST.format(minor=12, tag=LINUX), newer.name, own.name]
    )


@pytest.mark.usefixtures("without_pip")
def test_vendor_replaces_a_wheel_with_other_content(team: _Team) -> None:
    vendor.make(team.root, ONE)
    path = team.root / wheels.WHEELS / PURE
    right = path.read_bytes()
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert team.facts() == ["bad"]
    vendored = vendor.make(team.root, ONE)
    assert path.read_bytes() == right
    assert (vendored.added, vendored.removed) == ((PURE,), (PURE,))


def _tampered(team: _Team) -> None:
    wheel(team.index, PURE, "evil = True\n")


def _incomplete(team: _Team) -> None:
    (team.index / FAST.format(minor=12, tag=WINDOWS)).unlink()


def _empty(team: _Team) -> None:
    for path in team.index.iterdir():
        path.unlink()


@pytest.mark.parametrize("damage", [_tampered, _incomplete, _empty])
def test_vendor_without_every_wheel_changes_nothing(
    team: _Team, damage: Callable[[_Team], None], request: pytest.FixtureRequest
) -> None:
    if damage is not _tampered:  # by which pip's own refusal is proved
        request.getfixturevalue("without_pip")
    vendor.make(team.root, Selection(("linux-x86_64",), ("3.12",), (), tool_only=True))
    (team.root / wheels.WHEELS / PURE).write_bytes(b"damaged")
    damage(team)
    before = team.tree()
    with pytest.raises(UserError) as caught:
        vendor.make(team.root, TWO)
    assert caught.value.code == "wheel-unavailable"
    assert team.tree() == before


@pytest.mark.parametrize("step", range(1, 9))
def test_vendor_that_is_interrupted_changes_nothing(
    team: _Team, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before and after each move."""

    def complete(root: Path, scratch: Path, *_: object) -> list[wheels.Wheel]:
        for path in (team.tool, team.old, *team.fast):
            (scratch / "0").mkdir(exist_ok=True)
            (scratch / "0" / path.name).write_bytes(path.read_bytes())
        return wheels.wheels_in(scratch / "0")

    monkeypatch.setattr(vendor, "_complete", complete)
    vendor.make(team.root, ONE)
    assert len(team.there()) == 4
    team.tool = wheel(team.index, "innerloop-1.1-py3-none-any.whl")
    team.old = wheel(team.index, "old-1.1-py3-none-any.whl")
    team.pin(line(team.tool), line(*team.fast), line(team.old))
    before = team.tree()
    count = 0
    real = undo_journal._perform

    def interrupted(root: Path, record: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count == step:
            raise KeyboardInterrupt
        real(root, record)
        count += 1
        if count == step:
            raise KeyboardInterrupt

    monkeypatch.setattr(undo_journal, "_perform", interrupted)
    with pytest.raises(KeyboardInterrupt):
        vendor.make(team.root, ONE)
    assert team.tree() == before


def test_vendor_in_a_folder_without_a_pin_is_an_error(team: _Team) -> None:
    (team.root / "scripts/loop-requirements.txt").unlink()
    with pytest.raises(UserError) as caught:
        vendor.make(team.root, ONE)
    assert caught.value.code == "pin-missing"
    team.pin(line(*team.fast))
    with pytest.raises(UserError) as caught:
        vendor.make(team.root, Selection(("linux-x86_64",), tool_only=True))
    assert caught.value.code == "pin-missing"


def test_vendor_through_a_link_that_leads_out_is_refused(team: _Team, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (team.root / ".innerloop").symlink_to(tmp_path / "victim")
    with pytest.raises(UserError) as caught:
        vendor.make(team.root, ONE)
    assert caught.value.code == "link-leads-out"
    assert list((tmp_path / "victim").iterdir()) == []


@pytest.mark.parametrize(
    ("rules", "expected"),
    [("", False), ("*.whl\n", True), ("/.innerloop/*\n", True),
     ("/.innerloop/*\n!/.innerloop/wheels/\n", False)],
)  # fmt: skip
@pytest.mark.usefixtures("without_pip")
def test_vendored_wheels_that_git_ignores_are_named(
    team: _Team, rules: str, expected: bool
) -> None:
    subprocess.run(["git", "init", "-q", team.root], check=True)
    (team.root / ".gitignore").write_text(rules)
    vendored = vendor.make(team.root, ONE)
    assert bool(vendor.ignored_by_git(team.root, vendored)) == expected


def test_doctor_names_what_this_system_lacks(team: _Team) -> None:
    assert team.facts() == []
    wheel(team.root / wheels.WHEELS, PURE)
    wheel(team.root / wheels.WHEELS, "other-1-py3-none-any.whl")
    assert team.facts() == ["ok"]  # the tool alone: an index has the rest
    foreign = next(path for path in team.fast if WINDOWS in path.name)
    (team.root / wheels.WHEELS / foreign.name).write_bytes(foreign.read_bytes())
    assert team.facts() == ["note"]


def test_vendor_leaves_no_lock_that_blocks_a_sync(team: _Team) -> None:
    vendor.make(team.root, ONE)
    assert engine.recover(team.root) == ""
