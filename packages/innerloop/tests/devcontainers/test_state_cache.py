"""What a shell of the container's user sets, and the note about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.devcontainers import state_cache
from innerloop.devcontainers.state_cache import MadeFrom, Note, environment, merged_path


def probed(**variables: str) -> str:
    return "".join(f"{name}={value}\0" for name, value in variables.items())


def test_only_what_the_shell_adds_counts() -> None:
    container = {"A": "1", "PATH": "/opt/conda/bin:/usr/bin"}
    shell = probed(A="1", B="two\nlines", PATH="/usr/bin", PWD="/x", SHLVL="1", _="/bin/cat")
    assert environment(container, shell) == {
        "B": "two\nlines",
        "PATH": "/opt/conda/bin:/usr/bin",
    }


@pytest.mark.parametrize(
    ("shell", "container", "merged"),
    [
        ("/a:/b", "/a:/b", "/a:/b"),
        ("/usr/bin:/bin", "/opt/conda/bin:/usr/bin:/bin", "/opt/conda/bin:/usr/bin:/bin"),
        ("/mine:/usr/bin", "/conda:/usr/bin:/last", "/conda:/mine:/usr/bin:/last"),
        ("/x", "/y:/z", "/y:/z:/x"),
    ],
)
def test_no_folder_of_the_container_is_lost(shell: str, container: str, merged: str) -> None:
    assert merged_path(shell, container) == merged


def test_a_note_about_another_container_is_none(tmp_path: Path) -> None:
    note = Note("c1", "dev", "/w", {"A": "ü"}, True, MadeFrom("sums", "{}"))
    assert state_cache.write(tmp_path, "line", note) == note
    assert state_cache.read(tmp_path, "line", "c1") == note
    assert state_cache.read(tmp_path, "line", "c2") is None
    state_cache.forget(tmp_path, "line")
    assert state_cache.read(tmp_path, "line", "c1") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "{}", '{"container": "c1", "other": 1}'])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".innerloop/containers/line.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert state_cache.read(tmp_path, "line", "c1") is None
