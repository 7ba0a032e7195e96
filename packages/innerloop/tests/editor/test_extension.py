"""The workspace's extension for VS Code by itself: its types, and its parts in node's test runner."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from innerloop.scaffold.workspace_template import EXTENSION
from innerloop.sync.render import tasks_json
from tests.support import ROOT, TYPESCRIPT

pytestmark = pytest.mark.typescript

FOLDER = ROOT / EXTENSION
HERE = Path(__file__).parent / "extension"
# Of all files, those about job files included.
MOST_LINES = 1500


def test_extension_has_no_faults_of_types(tmp_path: Path) -> None:
    options = {
        "allowJs": True,
        "checkJs": True,
        "noEmit": True,
        "strict": True,
        "noUnusedLocals": True,
        "skipLibCheck": True,
        "target": "ES2022",
        "module": "CommonJS",
        "moduleResolution": "node10",
        "typeRoots": [str(TYPESCRIPT / "node_modules/@types")],
        "types": ["vscode", "node"],
    }
    settings = {"compilerOptions": options, "include": [f"{FOLDER}/*.js"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings))
    compiler = TYPESCRIPT / "node_modules/typescript/bin/tsc"
    done = subprocess.run(
        [TYPESCRIPT / "node", compiler, "-p", tmp_path], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_extension_passes_its_own_tests() -> None:
    env = {**os.environ, "EXTENSION": str(FOLDER), "NODE_PATH": str(HERE)}
    argv = [
        str(TYPESCRIPT / "node"),
        "--test-timeout=120000",
        "--test",
        *map(str, sorted(HERE.glob("*.test.js"))),
    ]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


def test_extension_finds_in_its_terminals_what_the_tasks_find() -> None:
    manifest = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    (matcher,) = manifest["contributes"]["problemMatchers"]
    name, location = matcher.pop("name"), matcher.pop("fileLocation")
    assert (name, location) == ("innerloop", ["relative", "${workspaceFolder}"])
    assert matcher == tasks_json.findings()
    assert '"$innerloop"' in (FOLDER / "tool.js").read_text(encoding="utf-8")


def test_extension_is_small_and_needs_no_build() -> None:
    texts = [path.read_text(encoding="utf-8") for path in FOLDER.glob("*.js")]
    assert all(text.startswith("// @ts-check\n") for text in texts)
    assert sum(len(text.splitlines()) for text in texts) < MOST_LINES
    manifest = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    assert not {"dependencies", "devDependencies", "scripts"} & set(manifest)
