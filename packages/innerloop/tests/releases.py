"""Releases of the tool for tests of upgrades: wheels that differ in a few files, and an index of them.

They are rewritten out of the wheel of the sources, which takes a fraction of a build's time.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from innerloop import __version__

LAUNCHER = "innerloop/templates/workspace/scripts/loop"
TEST = "innerloop/templates/workspace/scripts/test"
TASKS = "innerloop/sync/render/vscode_tasks.py"
SETTINGS = "innerloop/model/settings/settings.py"
MIGRATIONS = "innerloop/scaffold/migrations/__init__.py"
CHANGELOG = "innerloop/CHANGELOG.md"
IGNORED = "innerloop/templates/experiment/.amlignore"
KNOWN = "innerloop/templates/experiment-texts.json"

Edit = Callable[[str], str]
# A task more, another detail of RUN, another launcher.
_MORE_TASKS = """
from dataclasses import replace as _replace
TASKS = (
    *(_replace(t, detail="Trains it") if t.label == RUN else t for t in TASKS),
    VscodeTask("greet", ("list",), "Says hello", "smiley"),
)
"""
# The setting `registry` is called `image_registry`.
_MIGRATION = """
def _rename_registry(snapshot):
    text = snapshot.read("pyproject.toml")
    if text is not None and "\\nregistry" in text:
        yield Write("pyproject.toml", text.replace("\\nregistry", "\\nimage_registry"))


_older = _all


def _all():
    return (*_older(), Migration("0.5.0", "registry is now image_registry", _rename_registry))
"""


def _noted(version: str, entry: str) -> Edit:
    section = f"## {version}\n### New\n- {entry}\n\n"
    return lambda text: re.sub(r"(?m)^## ", lambda match: section + match[0], text, count=1)


def _appended(code: str) -> Edit:
    return lambda text: text + code


def _commented(word: str) -> Edit:
    return lambda text: text.replace("\nPIN = ", f"\n# {word}\nPIN = ", 1)


def _both(*edits: Edit) -> Edit:
    return lambda text: functools.reduce(lambda so_far, edit: edit(so_far), edits, text)


def _as_known(*versions: str) -> Edit:
    """What the template of these versions gave is what the one before them gave."""

    def edit(text: str) -> str:
        known = json.loads(text)
        return json.dumps({**known, **dict.fromkeys(versions, known[__version__])})

    return edit


NOTES = {
    "0.3.0": _noted("0.3.0", "It is three."),
    "0.4.0": _noted("0.4.0", "Tasks greet you."),
    "0.5.0": _noted("0.5.0", "Images have a registry of their own."),
}
_FOUR: Mapping[str, Edit] = {
    TASKS: _appended(_MORE_TASKS),
    LAUNCHER: _commented("the fourth launcher"),
    TEST: lambda text: text.replace("\nSCRIPTS = ", "\n# the fourth\nSCRIPTS = ", 1),
    CHANGELOG: _both(NOTES["0.3.0"], NOTES["0.4.0"]),
}
RELEASES: Mapping[str, Mapping[str, Edit]] = {
    "0.3.0": {CHANGELOG: NOTES["0.3.0"]},
    "0.4.0": _FOUR,
    "0.5.0": {
        **_FOUR,
        SETTINGS: lambda text: text.replace(
            'table.pop("registry", "")', 'table.pop("image_registry", "")'
        ),
        MIGRATIONS: _appended(_MIGRATION),
        LAUNCHER: _commented("the fifth launcher"),
        IGNORED: _appended("fifth/\n"),
        KNOWN: _as_known("0.3.0", "0.4.0"),
        CHANGELOG: _both(NOTES["0.3.0"], NOTES["0.4.0"], NOTES["0.5.0"]),
    },
}


def release(wheel: Path, version: str, into: Path, edits: Mapping[str, Edit]) -> Path:
    """A wheel of another version, in the folder `into`, with these files edited."""
    info, other = f"innerloop-{__version__}.dist-info/", f"innerloop-{version}.dist-info/"
    every = {"innerloop/__init__.py": lambda text: text.replace(f'"{__version__}"', f'"{version}"')}
    changes = {**every, **edits}
    target = into / f"innerloop-{version}-py3-none-any.whl"
    rows = []
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            name = entry.filename.replace(info, other)
            if name == f"{other}RECORD":
                continue
            if name == f"{other}METADATA":
                plain = content.decode().replace(
                    f"Version: {__version__}\n", f"Version: {version}\n"
                )
                content = plain.encode()
            if name in changes:
                text = content.decode()
                edited = changes[name](text)
                assert edited != text, f"{name} of {version} is as before"
                content = edited.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            rows.append(f"{name},sha256={digest.decode()},{len(content)}")
            entry.filename = name
            new.writestr(entry, content)
        record = "\n".join([*rows, f"{other}RECORD,,", ""])
        new.writestr(zipfile.ZipInfo(f"{other}RECORD", (2020, 2, 2, 0, 0, 0)), record)
    return target


class _Index(SimpleHTTPRequestHandler):
    """PEP 503, with hashes, over a folder of wheels: what it has at the moment."""

    def do_GET(self) -> None:
        match = re.fullmatch("/simple/([a-z0-9-]+)/", self.path)
        if match is None:
            return super().do_GET()
        wanted = match[1].replace("-", "_")
        links = []
        for path in sorted(Path(self.directory).glob("*.whl")):
            if path.name.lower().startswith(f"{wanted}-"):
                known = Path(self.directory, f"{path.name}.sha256")  # a lie, if a test wants one
                digest = known.read_text() if known.exists() else sha256(path)
                links.append(f'<a href="/{path.name}#sha256={digest}">{path.name}</a>')
        self.send_response(200 if links else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write("\n".join(links).encode())
        return None

    def log_message(self, format: str, *args: object) -> None:
        pass


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def index_over(folder: Path) -> Iterator[str]:
    """The address of a package index over a folder, on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Index, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
