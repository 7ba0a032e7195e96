"""The pin of a new workspace, and the wheel that is packed where no index has the tool."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

from innerloop import __version__
from innerloop.scaffold import tool_wheel
from innerloop.scaffold.workspace_template import File
from innerloop.util.wheels import WHEELS

INFO = f"innerloop-{__version__}.dist-info"
INSTALLED = {
    "innerloop/__init__.py": File(b"VERSION = 1\n"),
    "innerloop/start.sh": File(b"#!/bin/sh\n", executable=True),
    f"{INFO}/METADATA": File(b"Name: innerloop\n"),
    f"{INFO}/WHEEL": File(b"Wheel-Version: 1.0\n"),
}


def test_hashes_of_a_lock_are_those_of_the_tools_version() -> None:
    one, two = "a" * 64, "b" * 64
    lock = (
        f"rich==1 \\\n    --hash=sha256:{'c' * 64}\n"
        f"innerloop=={__version__} \\\n    --hash=sha256:{one} \\\n    --hash=sha256:{two}\n"
        f"zlib==1 \\\n    --hash=sha256:{'d' * 64}\n"
    )
    assert tool_wheel.hashes_of(lock) == [one, two]
    assert tool_wheel.hashes_of(lock, "9.9") == []
    assert tool_wheel.hashes_of("rich==1\n") == []


def test_packed_wheel_holds_what_is_installed_and_a_record_of_it() -> None:
    packed = tool_wheel.pack(INSTALLED)
    assert packed == tool_wheel.pack(dict(reversed(INSTALLED.items())))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        record = archive.read(f"{INFO}/RECORD").decode()
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert set(names) == {*INSTALLED, f"{INFO}/RECORD"} and names[-1] == f"{INFO}/RECORD"
    assert [line.split(",")[0] for line in record.splitlines()] == names
    assert modes["innerloop/start.sh"] & 0o111 and not modes["innerloop/__init__.py"] & 0o111


def test_pin_of_a_launcher_is_that_of_its_own_environment(tmp_path: Path) -> None:
    """The lock that was installed counts, not the one that a workspace holds now."""
    content = b"the tool"
    digest = hashlib.sha256(content).hexdigest()
    environment, root = tmp_path / "environment", tmp_path / "root"
    wheels = root / WHEELS
    for folder in (environment, wheels):
        folder.mkdir(parents=True)
    lock = f"innerloop=={__version__} \\\n    --hash=sha256:{digest}\n"
    (environment / "requirements.txt").write_text(lock)
    assert tool_wheel.of_launcher(environment, root) is None  # it is not ready
    (environment / "ready").touch()
    assert tool_wheel.of_launcher(environment, root) == tool_wheel.Pin(digest)
    wheel = wheels / tool_wheel.NAME
    wheel.write_bytes(b"another")
    assert tool_wheel.of_launcher(environment, root) == tool_wheel.Pin(digest)
    wheel.write_bytes(content)
    assert tool_wheel.of_launcher(environment, root) == tool_wheel.Pin(digest, wheel)
    (environment / "requirements.txt").write_text("rich==1\n")
    assert tool_wheel.of_launcher(environment, root) is None


def test_wheel_of_an_index_with_other_content_is_not_pinned() -> None:
    """Another project may have the name and the version."""
    other = {**INSTALLED, "innerloop/__init__.py": File(b"import os\n")}
    more = {**INSTALLED, "innerloop/more.py": File(b"")}
    assert tool_wheel.is_of(tool_wheel.pack(INSTALLED), INSTALLED)
    for content in (tool_wheel.pack(other), tool_wheel.pack(more), b"", b"PK\x03\x04"):
        assert not tool_wheel.is_of(content, INSTALLED)
