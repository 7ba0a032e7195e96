"""Names of folders and files that are not UTF-8."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from innerloop.util.errors import UserError
from innerloop.workspace import loader

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
BAD = os.fsdecode(b"caf\xe9")


def test_digest_of_a_folder_has_every_name(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    digests = {loader.digest_of(tmp_path)}
    for name in (BAD, "new\nline", "emoji 😀", os.fsdecode(b"caf\xe8")):
        (tmp_path / name).write_text("1")
        digests.add(loader.digest_of(tmp_path))
    assert len(digests) == 5


@pytest.mark.parametrize("where", ["root", "experiment"])
def test_workspace_or_experiment_of_such_a_name_is_one_error(tmp_path: Path, where: str) -> None:
    root = tmp_path / (BAD if where == "root" else "work")
    folder = root / "src" / (BAD if where == "experiment" else "tiny") / "environment"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM x\n")
    with pytest.raises(UserError) as caught:
        loader.open_workspace(root)
    assert caught.value.code == "name-not-utf8"
    assert "caf\\xe9" in caught.value.report().encode("ascii", "backslashreplace").decode().replace(
        "\\udce9", "\\xe9"
    )
