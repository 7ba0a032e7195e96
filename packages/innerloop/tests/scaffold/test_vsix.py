"""The extension as a VSIX. In tests/editor a real VS Code installs it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from innerloop import __version__
from innerloop.scaffold import vsix
from innerloop.scaffold.workspace_template import EXTENSION, File
from tools import vsix as tool

PACKAGE = {
    "name": "x",
    "publisher": "p",
    "displayName": 'A "name" & more',
    "description": "<a>",
    "version": "0.0.0",
    "engines": {"vscode": "^1.90.0"},
    "extensionKind": ["workspace"],
}


def template(**more: str) -> dict[str, File]:
    texts = {"package.json": json.dumps(PACKAGE), "main.js": "1\n", **more}
    return {f"{EXTENSION}{name}": File(text.encode()) for name, text in texts.items()}


def test_pack_holds_every_file_and_what_vs_code_reads_first() -> None:
    files = {**template(), "scripts/loop": File(b"")}
    with zipfile.ZipFile(io.BytesIO(vsix.pack(files, "1.2.3.dev4"))) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert list(parts) == [
        "[Content_Types].xml",
        "extension.vsixmanifest",
        "extension/main.js",
        "extension/package.json",
    ]
    assert json.loads(parts["extension/package.json"]) == {**PACKAGE, "version": "1.2.3"}
    space = "{http://schemas.microsoft.com/developer/vsx-schema/2011}"
    metadata = ElementTree.fromstring(parts["extension.vsixmanifest"])[0]
    assert metadata[0].attrib == {
        "Language": "en-US",
        "Id": "x",
        "Version": "1.2.3",
        "Publisher": "p",
    }
    assert metadata.findtext(f"{space}DisplayName") == PACKAGE["displayName"]
    assert metadata.findtext(f"{space}Description") == "<a>"
    kinds = {
        row.attrib["Extension"] for row in ElementTree.fromstring(parts["[Content_Types].xml"])
    }
    assert kinds == {".js", ".json", ".vsixmanifest"}


def test_pack_is_the_same_in_any_order_and_with_line_ends_of_windows() -> None:
    files = template()
    other = {
        name: File(file.content.replace(b"\n", b"\r\n"), executable=True)
        for name, file in reversed(files.items())
    }
    assert vsix.pack(files, "1.2.3") == vsix.pack(other, "1.2.3")


@pytest.mark.parametrize(
    ("files", "version"), [(template(), "1.2"), (template(**{"a.exe": ""}), "1.2.3")]
)
def test_pack_refuses_what_vs_code_would_not_take(files: dict[str, File], version: str) -> None:
    with pytest.raises(ValueError):
        vsix.pack(files, version)


def test_tool_writes_the_extension_of_this_repository(tmp_path: Path) -> None:
    assert tool.main([str(tmp_path / "a.vsix")]) == 0 and tool.main([]) == 2
    with zipfile.ZipFile(tmp_path / "a.vsix") as archive:
        manifest = json.loads(archive.read("extension/package.json"))
        assert {"extension/extension.js", "extension/media/innerloop.svg"} <= {*archive.namelist()}
    assert manifest["version"] == __version__
