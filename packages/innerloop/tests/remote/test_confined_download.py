"""A download of a client that joins the service's names as they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from innerloop.remote.azureml.worker.confined_download import EscapingName, confined_to


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


ESCAPES: dict[str, Callable[[Path], object]] = {
    "a name with dots": lambda into: write(into / "../victim/file"),
    "a folder with dots": lambda into: (into / "a/../../victim/new").mkdir(parents=True),
    "deep": lambda into: write(into / "a/b/../../../victim/file"),
    "a link": lambda into: write(into / "link/file"),
    "a rename": lambda into: os.rename(into / "here", into / "../victim/file"),
    "a link that is made": lambda into: os.symlink("x", into / "../victim/link"),
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_what_leads_out_of_the_folder_ends_the_download(tmp_path: Path, escape: str) -> None:
    into, victim = tmp_path / "into", tmp_path / "victim"
    into.mkdir()
    victim.mkdir()
    (into / "here").write_text("x")
    (into / "link").symlink_to(victim)
    with confined_to(str(into)):
        write(into / "artifacts/model/weights")
        write(tmp_path / "elsewhere" / "of the client's own")
        with pytest.raises(EscapingName):
            ESCAPES[escape](into)
    assert list(victim.iterdir()) == []
    assert (into / "artifacts/model/weights").is_file()
    ESCAPES["deep"](into)  # nothing is confined any more
