"""From a workspace that holds the tool in `scripts/innerloop` to one that only pins it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from ...model.settings import settings
from ...sync import transaction
from ...sync.render import workflow_context, workspace_container
from ...sync.state_file import State
from ...util.errors import UserError
from ...util.undo_journal import Delete, Step, Write
from .. import marked_block, workspace_template
from . import Migration, WorkspaceSnapshot, line_blocks, old_record, vendored_texts
from .call_words import CallWords

WORDS = CallWords(
    commands={"dependency": "share", "call": "invoke", "stale": "outdated"},
    options={"--place": "--backend"},
    values={"--place": {"inside": "in-container"}},
)
# The folders and files of the tool; what a person has put there or edited stays.
FOLDERS = ("scripts/innerloop", "scripts/locks", "benchmarks", "docs", "tests", ".ci")
FILES = ("scripts/bench", "scripts/bench.cmd", "CHANGELOG.md")
# As shipped, they get the text that `init` gives them.
PAGES = ("orchestration/README.md", "data/README.md")
TESTS = "tests/test_workspace.py"
# Where a person may call the tool, besides what sync generates.
CALLERS = (".github", "orchestration", ".devcontainer", ".vscode", "scripts")
CALLER_FILES = (
    ".pre-commit-config.yaml", ".gitlab-ci.yml", "azure-pipelines.yml", "Makefile", "justfile",
)  # fmt: skip
# The launcher and what belongs to it: `upgrade` replaces them.
_LAUNCHERS = {"scripts/loop", "scripts/loop.cmd", "scripts/test", "scripts/test.cmd"}
_CACHES = ("__pycache__/", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/")


def steps(snapshot: WorkspaceSnapshot) -> Iterator[Step]:
    if not _is_vendored(snapshot):
        return
    for folder in FOLDERS:
        yield from _removed(snapshot, folder)
    yield from (Delete(path) for path in FILES if _is_shipped(snapshot, path))
    texts = dict(_renamed_calls(snapshot))
    texts |= {path: text for path, text in _template(snapshot) if text != snapshot.read(path)}
    yield from (Write(path, text) for path, text in sorted(texts.items()))
    yield from _record(snapshot)


def notes(snapshot: WorkspaceSnapshot) -> Iterator[str]:
    """What a person has of their own in the tool's folders, and what still names a folder."""
    if not _is_vendored(snapshot):
        return
    for path in [path for folder in FOLDERS for path in snapshot.walk(folder)] + [*FILES]:
        if not _is_cache(path) and snapshot.content(path) and not _is_shipped(snapshot, path):
            is_tool = path.startswith(("scripts/innerloop/", "scripts/locks/"))
            yield f"{path}: yours, so it stays" + ", and nothing runs it any more" * is_tool
    text = dict(_template(snapshot)).get("pyproject.toml") or ""
    for number, line in enumerate(text.split("\n"), start=1):
        if "scripts/innerloop" in line and not line.lstrip().startswith("#"):
            yield f"pyproject.toml:{number}: names scripts/innerloop, which is gone"


MIGRATION = Migration(
    "0.2.0",
    "the tool moves out of the workspace: scripts/innerloop and its tests go, scripts/loop stays",
    steps,
    notes,
)


def _is_vendored(snapshot: WorkspaceSnapshot) -> bool:
    return bool(snapshot.names("scripts/innerloop")) or old_record.PATH in (
        f".innerloop/{name}" for name in snapshot.names(".innerloop")
    )


def _is_shipped(snapshot: WorkspaceSnapshot, path: str) -> bool:
    content = snapshot.content(path)
    return content is not None and vendored_texts.is_shipped(content)


def _is_cache(path: str) -> bool:
    return path.endswith(".pyc") or any(f"/{name}" in f"/{path}/" for name in _CACHES)


def _removed(snapshot: WorkspaceSnapshot, folder: str) -> Iterator[Delete]:
    """The whole folder if all of it is as shipped, else what is, piece by piece."""
    if not snapshot.names(folder):
        return
    if folder != "tests" and _is_whole(snapshot, folder):
        yield Delete(folder)
        return
    for name in snapshot.names(folder):
        path = f"{folder}/{name}"
        if path.endswith("/") and not _is_cache(path):
            yield from _removed(snapshot, path[:-1])
        elif path != TESTS and (_is_cache(path) or _is_shipped(snapshot, path)):
            yield Delete(path.rstrip("/"))


def _is_whole(snapshot: WorkspaceSnapshot, folder: str) -> bool:
    return all(_is_cache(path) or _is_shipped(snapshot, path) for path in snapshot.walk(folder))


def _template(snapshot: WorkspaceSnapshot) -> Iterator[tuple[str, str]]:
    """The files that `init` writes once, as they are to be: path -> text."""
    template = workspace_template.text
    for path in marked_block.FILES:
        yours = snapshot.read(path)
        if yours is not None and marked_block.split(yours).lines is None:
            yield path, _patterns(path, yours, template(path))
    if (yours := snapshot.read("pyproject.toml")) is not None:
        yield "pyproject.toml", _pyproject(yours)
    if _is_shipped(snapshot, workspace_template.README):
        yield workspace_template.README, _readme(snapshot)
    for path in PAGES:
        if _is_shipped(snapshot, path):
            yield path, template(path)
    tests = [path for path in snapshot.walk("tests") if not _is_cache(path)]
    if tests and all(_is_shipped(snapshot, path) for path in tests):
        yield TESTS, template(TESTS)  # no tests at all would be a failure of `scripts/test`


def _readme(snapshot: WorkspaceSnapshot) -> str:
    text = snapshot.read("pyproject.toml") or ""
    try:
        chosen = settings.of_workspace(text, "pyproject.toml").orchestrators
        names = tuple(chosen.names) if chosen.chosen else ()
    except UserError:
        names = ()
    folder = snapshot.root
    return workspace_template.readme(
        folder.name, "my_experiment", is_empty=True, has_ci=bool(names)
    )


def _patterns(path: str, yours: str, theirs: str) -> str:
    """A list of patterns: the tool's are in a block, the team's below.

    A pattern that the team has removed does not come back.
    """
    bases = vendored_texts.bases(path)
    own = line_blocks.without_lines(yours, [line for base in bases for line in base.split("\n")])
    closest = vendored_texts.closest(yours, bases)
    removed = {*closest.splitlines()} - {*yours.splitlines()}
    lines = marked_block.split(theirs).lines or ""
    kept = (line for line in lines.splitlines() if line not in removed)
    return marked_block.with_lines(own, "".join(f"{line}\n" for line in kept))


def _pyproject(yours: str) -> str:
    """`[tool.innerloop]` stays: it is what the team has chosen."""
    is_windows = yours.count("\r\n") * 2 > yours.count("\n")
    plain = yours.replace("\r\n", "\n")
    bases = [
        table
        for table in line_blocks.tables(vendored_texts.pyproject())
        if not table.header.startswith("[tool.innerloop")
    ]
    theirs = workspace_template.text("pyproject.toml")
    text = line_blocks.replace_tables(plain, bases, theirs, vendored_texts.closest)
    if not _is_toml(text):  # a header in a string, say
        return yours
    return text.replace("\n", "\r\n") if is_windows else text


def _is_toml(text: str) -> bool:
    try:
        settings.of_workspace(text, "pyproject.toml")
    except UserError:
        return False
    return True


def _renamed_calls(snapshot: WorkspaceSnapshot) -> Iterator[tuple[str, str]]:
    paths = [path for folder in CALLERS for path in snapshot.walk(folder)]
    for path in [*paths, *CALLER_FILES]:
        if (
            path in _LAUNCHERS
            or path.startswith(tuple(f"{folder}/" for folder in FOLDERS))
            or _is_cache(path)
        ):
            continue
        try:
            yours = snapshot.read(path)
        except UserError:  # no text
            continue
        new = None if yours is None else _with_new_words(path, yours)
        if new is not None and new != yours:
            yield path, new


def _with_new_words(path: str, text: str) -> str:
    return WORDS.in_json(text) if path.endswith(".json") else WORDS.in_text(text)


def _record(snapshot: WorkspaceSnapshot) -> Iterator[Step]:
    """The record under its new name, with a base for each file that sync now generates."""
    text = snapshot.read(old_record.PATH)
    if text is None or snapshot.read(transaction.STATE) is not None:
        return
    state = old_record.read(text, snapshot.read)
    yield Delete(old_record.PATH)
    if state.is_damaged:
        yield Write(transaction.STATE, text)  # as damaged as it was: nothing is taken for generated
        return
    generated = {path: _renamed(path, value) for path, value in state.generated.items()}
    for path in _newly_generated(snapshot, state):
        yours = snapshot.read(path)
        base = vendored_texts.closest(yours or "", vendored_texts.bases(path))
        generated[path] = WORDS.in_text(base)
    yield Write(transaction.STATE, old_record.dump(replace(state, generated=generated)))


def _renamed(path: str, value: object) -> object:
    if isinstance(value, str):
        return _with_new_words(path, value)
    return json.loads(WORDS.in_json(json.dumps(value)))


def _newly_generated(snapshot: WorkspaceSnapshot, state: State) -> Iterator[str]:
    """The files that came with the template, and that sync now generates in this workspace."""
    if workspace_container.PATH in state.generated:
        yield from (path for path in workspace_container.FILES if path in vendored_texts.BASES)
    if workflow_context.GITHUB_CI in state.generated:
        yield workflow_context.PREBUILD
