"""The person as a user of a container: the files that name them, and what a login does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.docker import container_user
from innerloop.docker.container_user import LOGIN, Person, with_person
from innerloop.docker.engine import Engine
from innerloop.docker.engine_facts import EngineFacts
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace

PASSWD = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"
GROUP = "root:x:0:\nwww-data:x:33:\nusers:x:100:\n"
ADA = Person(4321, ((4321, "ada"), (100, "users"), (2000, "data")), "ada")


def test_with_person_adds_a_line_for_the_user_and_each_unknown_group() -> None:
    assert with_person(PASSWD, GROUP, ADA) == (
        f"{PASSWD}ada:x:4321:4321:ada:/tmp:/bin/bash\n",
        f"{GROUP}ada:x:4321:\ndata:x:2000:\n",
    )


@pytest.mark.parametrize(
    ("passwd", "name"),
    [
        ("", "ada"),
        ("ada:x:1:1::/:/bin/sh", "dev"),
        ("ada:x:1:1::/:/bin/sh\ndev:x:2:2::/:/bin/sh\n", "dev2"),
        ("nonsense\n#\n:::\n", "ada"),
    ],
)
def test_with_person_any_file_gets_a_free_name(passwd: str, name: str) -> None:
    users, groups = with_person(passwd, "ada:x:7:", ADA)
    assert users is not None and groups is not None
    assert users.splitlines()[-1].startswith(f"{name}:x:4321:4321:")
    assert groups.splitlines()[1] == "group4321:x:4321:"  # its name is taken by another


def test_with_person_a_file_that_knows_the_numbers_stays() -> None:
    known = f"{PASSWD}app:x:4321:4321::/home/app:/bin/sh\n"
    all_groups = f"{GROUP}app:x:4321:\nshare:x:2000:\n"
    assert with_person(known, all_groups, ADA) == (None, None)
    assert with_person(known, GROUP, ADA) == (None, f"{GROUP}ada:x:4321:\ndata:x:2000:\n")
    assert with_person(PASSWD, all_groups, ADA)[1] is None


def test_further_groups_root_has_none() -> None:
    assert ADA.further_groups == (100, 2000)
    assert Person(0, ((0, "root"), (27, "sudo"))).further_groups == ()


@pytest.mark.parametrize(
    "engine",
    [
        Engine(True, image_id="1", facts=EngineFacts(rootless=True)),
        Engine(True, image_id="1", facts=EngineFacts(in_machine=True)),
    ],
)
def test_mounts_engine_that_maps_users_needs_none(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_user, "person", lambda: ADA)
    workspace = Workspace(str(tmp_path), Settings(), ())
    assert container_user.mounts(workspace, "x", "image", engine) == ()


def test_mounts_image_is_looked_into_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def read(image: str, labels: dict[str, str]) -> tuple[str, str]:
        looks.append(image)
        return PASSWD, GROUP

    monkeypatch.setattr(container_user, "person", lambda: ADA)
    monkeypatch.setattr(container_user, "_read", read)
    workspace = Workspace(str(tmp_path), Settings(), ())

    def mounts(image_id: str) -> list[str]:
        engine = Engine(True, image_id=image_id)
        return [mount.target for mount in container_user.mounts(workspace, "x", "a", engine)]

    assert mounts("1") == mounts("1") == mounts("2") == ["/etc/passwd", "/etc/group"]
    assert looks == ["1", "2"]
    for path in (tmp_path / ".innerloop/people").glob("run-*.passwd"):
        path.unlink()
    assert mounts("2") and len(looks) == 2
    assert len(list((tmp_path / ".innerloop/people").glob("run-*.passwd"))) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"HOME": "/nowhere", "PATH": "/bin:/usr/bin"}, "/tmp /tmp/.local/bin:/bin:/usr/bin"),
        ({"PATH": "/bin:/usr/bin"}, "/tmp /tmp/.local/bin:/bin:/usr/bin"),
        ({"HOME": "/tmp", "PATH": "/tmp/.local/bin:/bin"}, "/tmp /tmp/.local/bin:/bin"),
        ({"HOME": "/", "PATH": "/bin", "USER": "me"}, "me"),
        ({"PATH": "/bin", "USER": "me", "LOGNAME": "you"}, "you"),
    ],
)
def test_login_sets_home_path_and_name(env: dict[str, str], expected: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-euc", f'{LOGIN}echo "$HOME $PATH"; echo "$USER"; echo "$LOGNAME"'],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert expected in done.stdout.splitlines()
