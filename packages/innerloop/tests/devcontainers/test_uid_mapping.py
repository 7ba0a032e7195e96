"""Whose files a dev container makes: what has to change in an image, without an engine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from innerloop.devcontainers import uid_mapping
from innerloop.devcontainers.uid_mapping import HostUser, PasswdEntry, adapt, parse, person_of
from innerloop.docker.engine import Engine
from innerloop.docker.engine_facts import EngineFacts

ROOT = "root:x:0:0:root:/root:/bin/bash\n"
DAEMON = "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
DEV = "dev:x:1000:1000::/home/dev:/bin/bash\n"
OTHER = "other:x:1234:1234::/home/other:/bin/sh\n"
PASSWD = ROOT + DAEMON + DEV
GROUP = "root:x:0:\ndaemon:x:1:\ndev:x:1000:\nother:x:1234:dev\n"


def after(
    script: str | None, passwd: str, group: str, tmp_path: Path
) -> tuple[list[PasswdEntry], str]:
    """The entries of passwd, and the text of group, after the script has changed both files.

    A real shell runs the script in a folder that replaces the image's root, and only prints its
    chown commands.
    """
    assert script is not None
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc/passwd").write_text(passwd)
    (tmp_path / "etc/group").write_text(group)
    (tmp_path / "home/dev").mkdir(parents=True, exist_ok=True)
    inside = script.replace("/etc/", f"{tmp_path}/etc/").replace("chown -R", "echo chown")
    inside = inside.replace("mkdir -p /home", f"mkdir -p {tmp_path}/home")
    inside = inside.replace("-d /home", f"-d {tmp_path}/home")
    subprocess.run(["/bin/sh", "-c", inside], check=True, capture_output=True)
    return parse((tmp_path / "etc/passwd").read_text()), (tmp_path / "etc/group").read_text()


@pytest.mark.parametrize("user", ["dev", "1000", "dev:dev"])
def test_who_fits_already_stays(user: str) -> None:
    assert adapt(PASSWD, GROUP, user, HostUser(1000, 1000)) == uid_mapping.UserMapping("dev")


def test_where_the_engine_sees_to_it_nothing_changes() -> None:
    assert adapt(PASSWD, GROUP, "dev", None) == uid_mapping.UserMapping("dev")
    assert adapt(PASSWD, GROUP, "", None) == uid_mapping.UserMapping("root")


def test_a_root_that_a_person_wants_stays_root() -> None:
    assert adapt(PASSWD, GROUP, "root", HostUser(1000, 1000), named=True).user == "root"


def test_the_user_takes_the_persons_numbers(tmp_path: Path) -> None:
    fits = adapt(PASSWD, GROUP, "dev", HostUser(4321, 4322))
    entries, group = after(fits.script, PASSWD, GROUP, tmp_path)
    assert entries[0] == PasswdEntry("dev", 4321, 4322, "/home/dev", "/bin/bash")
    assert [entry.name for entry in entries] == ["dev", "root", "daemon"]
    assert "dev:x:4322:\n" in group
    assert fits.script is not None and "chown -R 4321:4322 /home/dev" in fits.script


def test_who_had_them_takes_the_users(tmp_path: Path) -> None:
    fits = adapt(PASSWD + OTHER, GROUP, "dev", HostUser(1234, 1234))
    entries, group = after(fits.script, PASSWD + OTHER, GROUP, tmp_path)
    uids = {entry.name: entry.uid for entry in entries}
    assert (uids["dev"], uids["other"]) == (1234, 1000)
    assert group == GROUP  # a group of that number is there
    assert fits.script is not None and "chown -R 1000:1234 /home/other" in fits.script


def test_in_roots_workspace_the_user_is_root_under_its_name(tmp_path: Path) -> None:
    fits = adapt(PASSWD, GROUP, "dev", HostUser(0, 0))
    entries, _ = after(fits.script, PASSWD, GROUP, tmp_path)
    assert fits.user == "dev"
    assert [(entry.name, entry.uid) for entry in entries[:2]] == [("dev", 0), ("root", 0)]


@pytest.mark.parametrize("user", ["root", "", "0"])
def test_where_root_is_alone_a_user_comes(user: str, tmp_path: Path) -> None:
    passwd = ROOT + DAEMON
    fits = adapt(passwd, "root:x:0:\n", user, HostUser(1000, 1000))
    entries, group = after(fits.script, passwd, "root:x:0:\n", tmp_path)
    assert (fits.user, entries[0]) == (
        "dev",
        PasswdEntry("dev", 1000, 1000, "/home/dev", "/bin/bash"),
    )
    assert group.endswith("dev:x:1000:\n")
    assert adapt(passwd, "", user, HostUser(0, 0)) == uid_mapping.UserMapping("root")


def test_somebody_who_has_the_number_is_the_person() -> None:
    assert adapt(PASSWD, GROUP, "root", HostUser(1000, 1000)) == uid_mapping.UserMapping("dev")


def test_a_service_of_that_number_is_not_the_person(tmp_path: Path) -> None:
    passwd = ROOT + "web:x:33:33:web:/var/www:/usr/sbin/nologin\n"
    fits = adapt(passwd, "web:x:33:\n", "root", HostUser(33, 33))
    entries, _ = after(fits.script, passwd, "web:x:33:\n", tmp_path)
    uids = {entry.name: entry.uid for entry in entries}
    assert uids["dev"] == 33 and uids["web"] != 33
    assert fits.script is not None and "/var/www\n" not in fits.script.split("chown")[-1]


def test_a_bare_number_without_a_name_gets_one(tmp_path: Path) -> None:
    fits = adapt(ROOT, "", "1001:0", HostUser(1000, 1000))
    assert fits.user == "dev"
    assert after(fits.script, ROOT, "", tmp_path)[0][0].uid == 1000


def test_a_home_that_is_more_than_one_is_left_alone() -> None:
    passwd = ROOT + "app:x:999:999::/:/bin/sh\n"
    fits = adapt(passwd, "", "app", HostUser(1000, 1000))
    assert fits.script is not None and "chown" not in fits.script


def test_names_and_homes_are_quoted(tmp_path: Path) -> None:
    passwd = ROOT + "it's:x:5:5:a $HOME `x`:/home/it's a:/bin/sh\n"
    fits = adapt(passwd, "", "it's", HostUser(7, 7))
    entries, _ = after(fits.script, passwd, "", tmp_path)
    assert entries[0] == PasswdEntry("it's", 7, 7, "/home/it's a", "/bin/sh")


def test_the_dockerfile_is_one_line_for_each_instruction() -> None:
    text = uid_mapping.UserMapping("dev", "echo 'a\nb'").dockerfile("image:tag", "app")
    assert text.splitlines() == [
        "FROM image:tag",
        "USER root",
        'RUN ["/bin/sh", "-c", "echo \'a\\nb\'"]',
        "USER app",
    ]


def test_whose_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.getuid", lambda: 1234, raising=False)
    monkeypatch.setattr("os.getgid", lambda: 1235, raising=False)
    assert person_of(tmp_path, Engine(True)) == HostUser(1234, 1235)
    assert person_of(tmp_path, Engine(True, facts=EngineFacts(in_machine=True))) is None
    assert person_of(tmp_path, Engine(True, facts=EngineFacts(rootless=True))) == HostUser(0, 0)
    # The devcontainer CLI adds --userns=keep-id for Podman's client, and for it alone.
    behind = EngineFacts("podman", "docker", "4.3.1", rootless=True)
    assert person_of(tmp_path, Engine(True, facts=behind)) == HostUser(0, 0)
    podman = EngineFacts("podman", "podman", "5.4.2", rootless=True)
    assert person_of(tmp_path, Engine(True, facts=podman)) == HostUser(1234, 1235)
    monkeypatch.setattr("os.getuid", lambda: 0, raising=False)
    owner = tmp_path.stat()
    assert person_of(tmp_path, Engine(True)) == HostUser(owner.st_uid, owner.st_gid)
    monkeypatch.setattr("sys.platform", "win32")
    assert person_of(tmp_path, Engine(True)) is None


def test_dockerfile_puts_the_users_programs_on_the_path() -> None:
    person = uid_mapping.HostUser(4321, 4321)
    mapping = uid_mapping.adapt("root:x:0:0::/root:/bin/bash\n", "root:x:0:\n", "", person)
    assert mapping.home == "/home/dev"
    assert 'ENV PATH="/home/dev/.local/bin:${PATH:-/usr' in mapping.dockerfile("image:tag", "")
    odd = uid_mapping.UserMapping("dev", "true", uid_mapping._quotable('/home/a"b'))
    assert "ENV" not in odd.dockerfile("image:tag", "")
