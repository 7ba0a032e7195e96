"""A new workspace on the disk: the template, the pin of the tool, and what sync generates."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .. import __version__
from ..sync import engine
from ..util import files, locked_environments, process, venvs
from ..util.cache_folder import cache_folder
from ..util.errors import UserError
from . import workspace_template
from .workspace_template import File

README = workspace_template.PACKAGE / "templates" / "workspace-readme.md"
WHEELS = ".innerloop/wheels"
# It is there while `init` makes the workspace.
UNFINISHED = ".innerloop/unfinished"
WHOLE = {"pyproject.toml", "scripts", "src"}
WAITING = "innerloop: another init of this folder is running; waiting for it"
PIN_COMMENT = (
    "# What scripts/loop installs into your cache: the tool and its dependencies, by hashes.\n"
)
# Builds where it is started, as every builder of wheels calls it.
_BUILD = "import sys; from hatchling import build; build.build_wheel(sys.argv[1])"


@dataclass(frozen=True, slots=True)
class Pin:
    """The tool that a workspace runs, by the sha256 of its wheel.

    `wheel`: the file, where the workspace is to hold it itself; None where an index has it.
    """

    sha256: str
    wheel: Path | None = None


def make(folder: Path, *, example: str | None, wheel: Path | None, git: bool) -> None:
    """Makes the workspace in a folder that is absent or empty.

    It grows in a folder beside, which takes its place at the end: a failure leaves nothing.
    """
    _require_empty(folder)
    found = template()
    chosen = found if example else workspace_template.without_examples(found)
    with _growing(folder) as new:
        scratch = files.make_folder(new / ".innerloop" / "build")
        _fill(new, chosen, pin_of(wheel, scratch))
        files.remove_tree(scratch)
        outcome = engine.sync(new)
        if outcome.problems:
            raise UserError("\n".join(outcome.problems), code="init-failed", where=str(folder))
        files.remove(new / engine.LOCK)
        if git:
            _make_repository(new)


@contextmanager
def _growing(folder: Path) -> Iterator[Path]:
    """A hidden folder beside, which takes the place of `folder` at the end of the block.

    An error, Ctrl-C and SIGTERM remove it. What a killed `init` left is removed by
    the next one of this folder, which holds the same lock.
    """
    name = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    lock = cache_folder() / "init" / f"{name}.lock"
    missing = [parent for parent in folder.parents if not parent.exists()]
    with (
        process.signals_as_interrupts(),
        _without_empty(missing),
        files.locked(lock, waiting=WAITING),
    ):
        for path in files.make_folder(folder.parent).glob(f".{glob.escape(folder.name)}.new-*"):
            if re.fullmatch(r".*\.new-[0-9a-f]{16}", path.name) and _is_unfinished(path):
                files.remove_tree(path)
        _require_empty(folder)
        new = folder.with_name(f".{folder.name}.new-{os.urandom(8).hex()}")
        try:
            files.make_folder(new, new=True)  # a name that no other user can have taken before
            files.confine(new)
            files.make_folder(new / UNFINISHED)
            yield new
            files.remove_tree(new / UNFINISHED)
            files.flush_tree(new)
            if folder.exists():
                files.remove_if_empty(folder)
            files.rename(new, folder)
        finally:
            files.remove_tree(new)
            files.release(new)


@contextmanager
def _without_empty(folders: Iterable[Path]) -> Iterator[None]:
    """Remove these folders afterwards if they are empty, the innermost first."""
    try:
        yield
    finally:
        for folder in folders:
            files.remove_if_empty(folder)


def _is_unfinished(folder: Path) -> bool:
    """Whether `init` made it. It is empty before the first step, and whole at the last one."""
    names = set(os.listdir(folder)) if folder.is_dir() and not folder.is_symlink() else {""}
    return not names - {".innerloop"} or (folder / UNFINISHED).is_dir() or names >= WHOLE


def _require_empty(folder: Path) -> None:
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            "the folder is not empty",
            code="path-exists",
            where=str(folder),
            hint="Choose another one",
        )


def pin_text(dependencies: str, pin: Pin, version: str = __version__) -> str:
    """The text of `scripts/loop-requirements.txt`: the tool, then its dependencies."""
    tool = f"innerloop=={version} \\\n    --hash=sha256:{pin.sha256}\n"
    return PIN_COMMENT + tool + re.sub(r"\A(#.*\n)*", "", dependencies)


def template() -> dict[str, File]:
    root = workspace_template.repository()
    if root is None:
        return workspace_template.packaged()
    listed = process.run(["git", "-C", str(root), "ls-files", "-z"]) if _has_git(root) else None
    tracked = listed.out.split("\0") if listed is not None and listed.ok else []
    return {
        name: workspace_template.read(root, name)
        for name in workspace_template.names(root, filter(None, tracked))
    }


def _fill(root: Path, chosen: Mapping[str, File], pin: Pin) -> None:
    for name, file in chosen.items():
        content = file.content
        if name == workspace_template.PIN:
            content = pin_text(content.decode(), pin).encode()
        if not file.link:
            _write(root / name, content, file.executable)
    for name, file in chosen.items():
        if file.link:
            files.make_link(root / name, file.link)
    _write(root / "README.md", README.read_bytes())
    files.make_folder(root / "src")
    if pin.wheel is not None:
        _write(root / WHEELS / pin.wheel.name, pin.wheel.read_bytes())


def _write(path: Path, content: bytes, executable: bool = False) -> None:
    files.write_stream(path, [content], executable=executable)


def pin_of(wheel: Path | None, scratch: Path) -> Pin:
    """The pin of the wheel that the workspace uses.

    It is the given wheel; when this tool runs from its sources, the wheel that is built of them;
    else the one that this tool was installed from, a file or an index.
    """
    root = workspace_template.repository()
    if wheel is None and root is not None:
        wheel = _built(root, scratch)
    if wheel is None:
        wheel = _installed_from()
    if wheel is None:
        return Pin(_sha256(_downloaded(scratch)))
    if not wheel.is_file():
        raise UserError(
            "there is no such file",
            code="path-missing",
            where=str(wheel),
            hint="Name the wheel of the tool",
        )
    if not re.match(rf"innerloop-{re.escape(__version__)}-[^/]*\.whl\Z", wheel.name):
        raise UserError(
            f"not a wheel of innerloop {__version__}, the version that runs",
            code="wheel-version",
            where=str(wheel),
            hint="The template and the pinned tool have one version: start init from that wheel",
        )
    return Pin(_sha256(wheel), wheel)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _built(root: Path, scratch: Path) -> Path:
    python = venvs.python_of(locked_environments.ensure("build"))
    environ = {k: v for k, v in os.environ.items() if k not in ("SOURCE_DATE_EPOCH", "PYTHONPATH")}
    argv = [str(python), "-I", "-c", _BUILD, str(scratch)]
    done = process.run(argv, cwd=root / "packages" / "innerloop", env=environ)
    if not done.ok:
        raise UserError(
            f"building the tool's wheel failed:\n{done.err.rstrip()}\n ", code="wheel-build-failed"
        )
    (wheel,) = scratch.glob("*.whl")
    return wheel


def _installed_from() -> Path | None:
    """The wheel on this disk that the tool was installed from; None when that was no wheel.

    Source: Python Packaging User Guide, "Recording the Direct URL Origin of installed distributions".
    """
    import json
    from importlib import metadata

    try:
        text = metadata.distribution("innerloop").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    url = urlsplit(json.loads(text)["url"] if text else "")
    path = Path(unquote(url.path.lstrip("/") if os.name == "nt" else url.path))
    return path if url.scheme == "file" and path.suffix == ".whl" and path.is_file() else None


def _downloaded(scratch: Path) -> Path:
    """The wheel of this version from the index that pip is configured to."""
    python = sys.executable
    if not process.run([python, "-Im", "pip", "--version"]).ok:  # of uv, say
        environment = scratch / "venv"
        done = process.run([python, "-Im", "venv", str(environment)])
        python = str(venvs.python_of(environment))
    argv = [python, "-Im", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    argv += ["--only-binary", ":all:", "--dest", str(scratch), f"innerloop=={__version__}"]
    done = process.run(argv)
    files.remove_tree(scratch / "venv")
    found = sorted(scratch.glob("*.whl"))
    if not found:
        raise UserError(
            f"innerloop {__version__} cannot be had from an index:\n{done.err.rstrip()}\n ",
            code="wheel-unavailable",
            hint="Configure pip's index, or name the file: `innerloop init FOLDER --wheel FILE`",
        )
    return found[0]


def _has_git(root: Path) -> bool:
    return (root / ".git").exists() and process.which("git") is not None


def _make_repository(root: Path) -> None:
    """A git repository, unless one holds the workspace already or there is no git."""
    if process.which("git") is None:
        return
    if process.run(["git", "-C", str(root.parent), "rev-parse", "--is-inside-work-tree"]).ok:
        return
    if not process.run(["git", "init", "--quiet", "--initial-branch=main", str(root)]).ok:
        process.run(["git", "init", "--quiet", str(root)])  # older than 2.28
