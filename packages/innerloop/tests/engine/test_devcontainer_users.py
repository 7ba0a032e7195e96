"""Files made in a dev container belong to the person: UID 1000, another one, and root."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.engine import dev
from tests.support import TINY, Answer, Workspace

pytestmark = [pytest.mark.docker, pytest.mark.devcontainer, pytest.mark.person]

TAKEN = dev.THREE.replace("RUN useradd", "RUN useradd --uid 1234 other\nRUN useradd")
UBUNTU = "FROM python:3.11-slim-bookworm\nRUN useradd --create-home --uid 1000 ubuntu\n"

# What a person does in a container: files in the workspace, a commit, a cache.
WORK = """set -e
mkdir -p made/deep && echo x > made/deep/model.bin
git init -q repo && git -C repo -c user.name=a -c user.email=b commit -q --allow-empty -m first
mkdir -p "$XDG_CACHE_HOME/pip/http" && echo x > "$XDG_CACHE_HOME/pip/http/one"
touch ~/in-my-home
id -un
"""


OTHER = pytest.param(1234, marks=pytest.mark.nightly)


@pytest.fixture(params=[1000, OTHER, 0], ids=["1000", "1234", "root"])
def theirs(request: pytest.FixtureRequest) -> Iterator[tuple[Workspace, int]]:
    with dev.person(request.param) as workspace:
        yield workspace, request.param


def prepared(workspace: Workspace, uid: int, text: str) -> list[str]:
    """Their own experiment, rendered by them; how to act as them."""
    workspace.add("tiny", "print('hello')", dockerfile=text)
    dev.give(workspace, uid)
    prefix = dev.become(uid)
    assert workspace.loop("sync", prefix=prefix).code == 0
    return prefix


# The Dockerfile, its user, and the persons of the default run; the nightly one has all of them.
IMAGES = {
    "a user of its own": (dev.THREE, "dev", (1000, 0)),
    "the UID is taken": (TAKEN, "dev", (1234,)),
    "only root": (TINY, "dev", (0,)),
    "somebody is there": (UBUNTU, "ubuntu", (1000, 1234)),
}


@pytest.mark.parametrize(
    ("theirs", "text", "user"),
    [
        pytest.param(
            *(uid, text, user),
            marks=() if uid in by_default else pytest.mark.nightly,
            id=f"{uid or 'root'}-{name}",
        )
        for uid in (1000, 1234, 0)
        for name, (text, user, by_default) in IMAGES.items()
    ],
    indirect=["theirs"],
)
def test_files_are_the_persons(theirs: tuple[Workspace, int], text: str, user: str) -> None:
    workspace, uid = theirs
    prefix = prepared(workspace, uid, text)
    told = dev.up(workspace, prefix=prefix)
    if uid == 0 and "USER" not in text:
        user = "root"
    elif uid != 1000 and user == "ubuntu":
        user = "dev"
    assert told["user"] == user
    answer = workspace.loop("exec", "tiny", "--", "sh", "-c", WORK, prefix=prefix)
    assert (answer.code, answer.out.split()[-1]) == (0, user), answer.err
    others = [path for path in workspace.root.rglob("*") if path.lstat().st_uid != uid]
    assert others == []
    assert (workspace.root / "src/tiny/made/deep/model.bin").stat().st_gid == uid


def test_git_reads_a_folder_of_somebody_else(theirs: tuple[Workspace, int]) -> None:
    """No "dubious ownership", and nobody's configuration file is touched."""
    workspace, uid = theirs
    prefix = prepared(workspace, uid, dev.THREE)
    dev.up(workspace, prefix=prefix)

    def run(*words: str) -> Answer:
        return workspace.loop("exec", "tiny", *words, prefix=prefix)

    assert run("--", "git", "init", "-q", "repo").code == 0
    assert run("--user", "root", "--", "chown", "-R", "4242", "repo").code == 0
    assert run("--", "git", "-C", "repo", "status").code == 0
    alone = run("--", "env", "-u", "GIT_CONFIG_COUNT", "git", "-C", "repo", "status")
    assert "dubious ownership" in alone.err
    assert run("--", "sh", "-c", "test ! -e ~/.gitconfig").code == 0
    assert run("--user", "root", "--", "chown", "-R", str(uid), "repo").code == 0


def test_vs_code_works_as_the_same_user_in_a_container_of_loop_up(
    theirs: tuple[Workspace, int],
) -> None:
    """It reads devcontainer.json anew, so what `up` decided must be on the container."""
    workspace, uid = theirs
    prefix = prepared(workspace, uid, TINY)
    told = dev.up(workspace, prefix=prefix)
    reopened = dev.bare(workspace, "up", prefix=prefix)
    assert reopened.code == 0, reopened.err
    assert told["container"] in reopened.out
    assert dev.bare(workspace, "exec", "touch", "by-vs-code", prefix=prefix).code == 0
    assert (workspace.root / "by-vs-code").stat().st_uid == uid


def test_reopen_in_container_alone(theirs: tuple[Workspace, int]) -> None:
    """Reopen in Container without `loop up`.

    It works where the image has a user of its own and the workspace is not root's. Otherwise the
    container still opens, and reports that its files would not be theirs.
    """
    workspace, uid = theirs
    prefix = prepared(workspace, uid, dev.THREE)
    opened = dev.bare(workspace, "up", prefix=prefix)
    assert opened.code == 0, opened.err
    made = dev.bare(workspace, "exec", "touch", "made", prefix=prefix)
    said = re.search(r"^(\[.*\] )?innerloop: files made .* not be yours", opened.err, re.MULTILINE)
    if uid == 0:
        assert made.code != 0
        assert said, opened.err
    else:
        assert (workspace.root / "made").stat().st_uid == uid
        assert not said
    cached = dev.bare(workspace, "exec", "sh", "-c", 'touch "$XDG_CACHE_HOME/x"', prefix=prefix)
    assert cached.code == 0, cached.err


def test_a_cache_that_another_user_filled_is_handed_over(theirs: tuple[Workspace, int]) -> None:
    workspace, uid = theirs
    prefix = prepared(workspace, uid, dev.THREE)
    dev.up(workspace, prefix=prefix)
    words = ("exec", "tiny", "--user", "root", "--", "sh", "-c")
    assert workspace.loop(*words, "chown -R 4321 $XDG_CACHE_HOME", prefix=prefix).code == 0
    dev.up(workspace, "tiny", "--rebuild", prefix=prefix)
    write = ("exec", "tiny", "--", "sh", "-c", 'touch "$XDG_CACHE_HOME/x"')
    assert workspace.loop(*write, prefix=prefix).code == 0
