"""Rules, files and digests, held against Azure's own client: what `snapshot` says is what it does."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from innerloop.model import ignore_file
from innerloop.remote import snapshot
from innerloop.util.errors import UserError
from innerloop.util.locked_environments import ensure
from innerloop.util.venvs import python_of
from innerloop.workspace import text_links
from tests.azure.conftest import Cloud

pytestmark = pytest.mark.azure

SOURCE = Path(snapshot.__file__).parents[2]

ASK = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from azure.ai.ml._utils import _asset_utils as u
from azure.ai.ml._utils._pathspec import GitWildMatchPattern

def verdict(rule, path):
    try:
        one = GitWildMatchPattern(rule)
    except Exception:
        return "refused"
    return None if one.include is None else [one.include, one.match_file(path) is not None]

def snapshot(folder):
    rules = u.get_ignore_file(folder)
    files = u.get_upload_files_from_folder(folder, ignore_file=rules)
    return [sorted(name for _, name in files), u.get_content_hash(folder, rules)]

asked = json.load(sys.stdin)
print(json.dumps({
    "rules": [verdict(rule, path) for rule, path in asked["rules"]],
    "folders": [snapshot(folder) for folder in asked["folders"]],
}))
"""
LETTERS = ["a", "b", "/", "*", "**", "?", "[", "]", "!", "^", "\\", "-", "#", " ", ".", "**/", "a/"]
PARTS = ["a", "b", "ab", "aa", ".b", "..", "a.b", "-", "#a", "!", "[a", "^", "]", "a b", "é"]


def client_says(rules: list[tuple[str, str]], folders: list[Path]) -> Any:
    asked = json.dumps({"rules": rules, "folders": [str(one) for one in folders]})
    done = subprocess.run(
        [str(python_of(ensure("azure"))), "-c", ASK], input=asked, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ours(rule: str, path: str) -> Any:
    try:
        rules = ignore_file.parse(rule, "x").rules
    except UserError:
        return "refused"
    return [rules[0].excludes, rules[0].pattern.match(path) is not None] if rules else None


def test_every_rule_matches_as_the_clients_does(cloud: Cloud) -> None:
    chance = random.Random(20261124)
    cases = [
        (
            "".join(chance.choice(LETTERS) for _ in range(chance.randint(1, 7))),
            "/".join(chance.choice(PARTS) for _ in range(chance.randint(1, 4))),
        )
        for _ in range(20_000)
    ]
    told = client_says(cases, [])["rules"]
    assert [(case, ours(*case)) for case in cases] == list(zip(cases, told, strict=True))


FOLDERS = {
    "no ignore file": {"a.py": "a", ".env": "x", "sub/b.py": "b", "__pycache__/c.pyc": "c"},
    "gitignore counts where there is no amlignore": {".gitignore": "*.csv\n", "a.csv": "1", "b.py": "b"},
    "amlignore alone counts": {
        ".gitignore": "*.py\n", ".amlignore": "*.csv\n", "sub/.amlignore": "*\n",
        "a.py": "a", "sub/b.py": "b", "a.csv": "1",
    },
    "later rules take back": {".amlignore": "data/\n!data/keep.txt\n", "data/keep.txt": "k", "data/x": "x"},
    "names that differ by case": {"Zeta.py": "z", "alpha.py": "a", "Alpha2.py": "b", "_x.py": ""},
    "letters beyond ASCII": {"ünï cödé/é.txt": "é", "b b.txt": "b"},
    "windows line ends": {".amlignore": "*.csv\r\n# no\r\n\r\ntmp/\r\n", "a.csv": "1", "tmp/x": "x", "b": "b"},
}  # fmt: skip


def test_every_folder_is_sent_as_said(cloud: Cloud, tmp_path: Path) -> None:
    for name, files in FOLDERS.items():
        for path, text in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode())
    (tmp_path / "shared/deep").mkdir(parents=True)
    (tmp_path / "shared/deep/one.csv").write_text("1")
    (tmp_path / "shared/two.py").write_text("2")
    linked = tmp_path / "with links"
    linked.mkdir()
    for link, leads in (("common", "../shared"), ("two.py", "../shared/two.py")):
        os.symlink(leads, linked / link)
    # Compared with where the link leads to: the first has no effect, the second has.
    (linked / ".amlignore").write_text("common/two.py\n../shared/deep/\n")
    shared_rules = tmp_path / "rules by a link"
    shared_rules.mkdir()
    (shared_rules / "a.csv").write_text("1")
    (shared_rules / "b.py").write_text("2")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/all").write_text("*.csv\n")
    os.symlink("../rules/all", shared_rules / ".amlignore")
    names = [*FOLDERS, "with links", "rules by a link"]
    told = client_says([], [tmp_path / name for name in names])["folders"]
    for name, (files_told, digest) in zip(names, told, strict=True):
        found = snapshot.read(tmp_path, name)
        assert sorted(one.name for one in found.files) == files_told, name
        assert found.digest == digest, name
    assert {"common/two.py", "two.py"} <= {
        one.name for one in snapshot.read(tmp_path, "with links").files if one.linked
    }


FOLLOWED = """
import json, sys, warnings
warnings.simplefilter("ignore")
from azure.ai.ml._utils import _asset_utils as u
from innerloop.remote.azureml.worker import text_files

def sent(folder):
    rules = u.get_ignore_file(folder)
    files = u.get_upload_files_from_folder(folder, prefix="there", ignore_file=rules)
    content = {there: open(here, "rb").read().decode() for here, there in files}
    return [content, u.get_content_hash(folder, rules)]

folders, links = json.load(sys.stdin)
before = sent(folders[1])
text_files.follow(links)
after = [sent(folder) for folder in folders]
text_files.follow({})
print(json.dumps([*after, before == sent(folders[1]), before]))
"""


def test_links_that_are_text_files_are_sent_as_links_are(cloud: Cloud, tmp_path: Path) -> None:
    """As with links, to the byte, for files, for folders, and for rules about what is behind them."""
    for top in ("links", "texts"):
        for path, text in {
            "src/common/rates.py": "RATE = 7\n",
            "src/common/vision/a.py": "a",
            "src/common/vision/deep/b.csv": "b",
            "src/tiny/train.py": "t",
            "src/tiny/.amlignore": "../common/vision/deep/\ncommon/vision\n",
        }.items():
            target = tmp_path / top / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        (tmp_path / top / "src/tiny/common").mkdir()
    for name in ("rates.py", "vision"):
        text = f"../../common/{name}"
        os.symlink(text, tmp_path / "links/src/tiny/common" / name)
        (tmp_path / "texts/src/tiny/common" / name).write_text(text)
    links = text_links.on_disk(tmp_path / "texts")
    folders = [str(tmp_path / top / "src/tiny") for top in ("links", "texts")]
    done = subprocess.run(
        [str(python_of(ensure("azure"))), "-c", FOLLOWED],
        input=json.dumps([folders, links]),
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    by_links, by_texts, is_plain_again, before = json.loads(done.stdout)
    assert by_texts == by_links
    assert by_links[0]["there/common/rates.py"] == "RATE = 7\n"
    assert "there/common/vision/a.py" in by_links[0]
    assert is_plain_again and before[0]["there/common/rates.py"] == "../../common/rates.py"
    ours = snapshot.read(tmp_path / "texts", "src/tiny")
    assert ours.digest == by_texts[1]
    assert {f"there/{file.name}" for file in ours.files} == set(by_texts[0])
