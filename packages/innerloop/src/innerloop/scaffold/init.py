"""A new workspace on the disk: the template, the pin of the tool, and what sync generates.

It grows in a folder of its own, and takes its place in steps that can be undone: a folder that was
absent is absent again after any failure, one that was there is as it was before.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from pathlib import Path

from .. import __version__
from ..model.experiment_paths import JOB_FILE
from ..sync import engine
from ..sync.render import agents_md, workflow_context, workspace_container
from ..util import change_folder, files, process, undo_journal
from ..util.cache_folder import cache_folder
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.printable import one_line
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import Move, Step, Write
from ..util.wheels import WHEELS
from ..workspace import loader, text_links
from . import create, git_ignored, marked_block, tool_wheel, workspace_template
from .tool_wheel import Pin
from .workspace_template import DIGITS, TINY, File

# It is there while `init` makes the workspace.
UNFINISHED = ".innerloop/unfinished"
WHOLE = {"pyproject.toml", "scripts", "tests"}
WAITING = "innerloop: another init of this folder is running; waiting for it"
WHAT = "the creation of this workspace"
NOT_AT_THE_TOP = (
    "CI does not start for this workspace, because it is a subfolder of the repository {top}: "
    "GitHub and Azure DevOps look for it at the top. Make the workspace in a repository of its own"
)
STAGING = f"{undo_journal.FOLDER}/new"
PIN_COMMENT = (
    "# What scripts/loop installs into your cache: the tool and its dependencies, by hashes.\n"
)
# What a folder may hold already, in lower case: a clone of a new repository, with what its host puts
# there; notes for agents; a dev container to work in; what file managers leave.
MAY_BE_THERE = late_pattern(
    r"\.git|\.gitignore|\.gitattributes|(readme|licen[cs]e|copying|notice)(\..*)?"
    r"|(agents|claude)\.md|\.devcontainer|\.devcontainer\.json|\.ds_store|thumbs\.db|desktop\.ini"
)
# Of those, what decides what is generated.
_DECIDING = (".devcontainer", workspace_container.OTHER_PLACE, agents_md.PATH)
# The experiment that an example begins with.
FIRST = {DIGITS: "digit_recognition", TINY: "tiny"}


@dataclass(frozen=True, slots=True)
class NewWorkspace:
    """What a new workspace is to be.

    `example`: a key of `workspace_template.EXAMPLES`, None for none. `orchestrators`: which start
    its experiments and check every push. `wheel`: the tool's wheel, None to find it. `git`: whether
    it becomes a repository if none holds it. `root`: the workspace of the launcher that runs.
    """

    folder: Path
    example: str | None = None
    orchestrators: tuple[str, ...] = ()
    wheel: Path | None = None
    git: bool = True
    root: Path = field(default=Path())


@dataclass(frozen=True, slots=True)
class InitOutcome:
    """`files` are written ones, sorted; `notes` inform. `schedules` are files that start jobs."""

    files: tuple[str, ...]
    notes: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()


def make(wanted: NewWorkspace) -> InitOutcome:
    """Makes the workspace in a folder that is absent, or holds nothing but MAY_BE_THERE."""
    folder = wanted.folder
    _require_vacant(folder)
    cache = files.make_folder(cache_folder() / "init")
    missing = [parent for parent in folder.parents if not parent.exists()]
    with (
        process.signals_as_interrupts(),
        files.temporary_folder("wheel-", str(cache)) as scratch,
        _without_empty(missing),
        files.locked(cache / f"{digest(folder)}.lock", waiting=WAITING),
    ):
        pin = tool_wheel.find(wanted.wheel, wanted.root, scratch)
        if folder.exists():
            _undo_killed(folder)
            _require_vacant(folder)
            with _repository(folder, wanted.git, folder), tidied(folder):
                outcome = _make_in(folder, wanted, pin)
        else:
            with _growing(folder) as new, _repository(new, wanted.git, folder):
                outcome = _make_in(new, wanted, pin)
    if text_links.may_be(folder):
        text_links.record(folder, text_links.by_content(folder))
    ignored = git_ignored.messages(folder, outcome.files, wanted.git)
    return replace(outcome, notes=(*outcome.notes, *_about_ci(wanted), *ignored))


def preview(wanted: NewWorkspace) -> InitOutcome:
    """What `make` writes, found out in a folder elsewhere."""
    _require_vacant(wanted.folder)
    with files.temporary_folder("innerloop-init-") as folder, files.confining(folder):
        pin = tool_wheel.expected(wanted.wheel, wanted.root, folder)
        outcome, _ = _grow(folder / "new", wanted, pin)
    return replace(outcome, notes=(*outcome.notes, *_about_ci(wanted)))


def _about_ci(wanted: NewWorkspace) -> Iterator[str]:
    top = git_ignored.repository_around(wanted.folder) if wanted.orchestrators else ""
    if top:
        yield NOT_AT_THE_TOP.format(top=one_line(top))


def _require_vacant(folder: Path) -> None:
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise UserError(
            "this is a link" if folder.is_symlink() else "this is not a folder",
            code="path-exists",
            where=str(folder),
            hint="Name the folder itself",
        )
    names = sorted(os.listdir(folder))
    if ".innerloop" in names and _is_killed(folder):
        return
    others = [name for name in names if not MAY_BE_THERE.fullmatch(name.casefold())]
    if others:
        shown = ", ".join(one_line(name) for name in others[:5])
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        raise UserError(
            f"the folder is not empty: it holds {shown}{more}",
            code="path-exists",
            where=str(folder),
            hint="Choose another one, or move these away. A repository's .git, README, licence and "
            ".gitignore may be there",
        )


def _is_killed(folder: Path) -> bool:
    """Whether a killed `init` left what is in the folder."""
    if not (folder / ".innerloop").is_dir():
        return False
    own = set(os.listdir(folder / ".innerloop")) <= {"changing", "sync.lock"}
    others = [name for name in os.listdir(folder) if name != ".innerloop"]
    if own and all(MAY_BE_THERE.fullmatch(name.casefold()) for name in others):
        return True  # it had moved nothing yet
    return _is_interrupted(folder)


def _is_interrupted(folder: Path) -> bool:
    with files.confining(folder), suppress(UserError):
        return undo_journal.title(folder) == WHAT
    return False


def _undo_killed(folder: Path) -> None:
    if (folder / ".innerloop").is_dir() and _is_killed(folder):
        engine.recover(folder)
        with files.confining(folder):
            tidy(folder)


@contextmanager
def tidied(folder: Path) -> Iterator[None]:
    """Leave nothing in `.innerloop` if no workspace is made."""
    try:
        yield
    finally:
        with files.confining(folder):
            tidy(folder)


def tidy(folder: Path) -> None:
    if not change_folder.is_pending(folder):
        files.remove(folder / engine.LOCK)
        files.remove_if_empty(folder / ".innerloop")


@contextmanager
def _growing(folder: Path) -> Iterator[Path]:
    """A hidden folder beside, which takes the place of `folder` at the end of the block.

    An error, Ctrl-C and SIGTERM remove it. What a killed `init` left is removed by
    the next one of this folder, which holds the same lock.
    """
    for path in files.make_folder(folder.parent).glob(f".{glob.escape(folder.name)}.new-*"):
        if re.fullmatch(r".*\.new-[0-9a-f]{16}", path.name) and _is_unfinished(path):
            files.remove_tree(path)
    _require_vacant(folder)
    new = folder.with_name(f".{folder.name}.new-{os.urandom(8).hex()}")
    try:
        files.make_folder(new, new=True)  # a name that no other user can have taken before
        files.confine(new)
        files.make_folder(new / UNFINISHED)
        yield new
        tidy(new)
        files.remove_tree(new / UNFINISHED)
        files.flush_tree(new)
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


def digest(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]


def _make_in(root: Path, wanted: NewWorkspace, pin: Pin) -> InitOutcome:
    """Makes the workspace in a folder that exists, whole or not at all."""
    with engine.change(root, WHAT) as change:
        outcome, texts = _grow(root / STAGING, wanted, pin)
        files.flush_tree(root / STAGING)
        change.carry_out([*_moves(root, root / STAGING, ""), *texts])
    return outcome


def _grow(new: Path, wanted: NewWorkspace, pin: Pin) -> tuple[InitOutcome, list[Step]]:
    """Fill the folder `new` with the workspace; texts of files that exist are returned as steps."""
    there = {name.casefold(): name for name in _names(wanted.folder)}
    name = one_line(wanted.folder.name) or "workspace"
    found = template()
    chosen = workspace_template.of_workspace(found, name, wanted.example, wanted.orchestrators)
    texts: list[Step] = []
    for path in marked_block.FILES:
        if path in there:
            lines = marked_block.split(chosen.pop(path).content.decode()).lines or ""
            text = files.read_own(wanted.folder / path) or ""
            texts.append(Write(path, marked_block.with_lines(text, lines)))
    _fill(new, chosen, pin)
    if not any(re.match(r"readme(\.|\Z)", other) for other in there):
        _write(new / workspace_template.README, readme(name, wanted).encode())
    for path in filter(None, (there.get(each.casefold()) for each in _DECIDING)):
        files.copy_whole(wanted.folder / path, new / path)
    outcome = engine.sync(new)
    if wanted.example == TINY and not outcome.problems:
        outcome = create.create_experiment(loader.open_workspace(new), FIRST[TINY], None)
    if outcome.problems:
        raise UserError("\n".join(outcome.problems), code="init-failed", where=str(wanted.folder))
    files.remove(new / engine.LOCK)
    written = {path for path in _files_below(new) if not os.path.lexists(wanted.folder / path)}
    experiments = [path.split("/")[1] for path in written if path.endswith(f"/{JOB_FILE}")]
    starters = {file for each in experiments for file in workflow_context.files_of(each)}
    notes = [*filter(None, [pin.note]), *outcome.notes]
    listed = sorted(written | {step.path for step in texts if isinstance(step, Write)})
    return InitOutcome(tuple(listed), tuple(notes), tuple(sorted(starters & written))), texts


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def _files_below(folder: Path) -> Iterator[str]:
    """The files and links below a folder, with `/`; no workspace has a link to a folder."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name).relative_to(folder).as_posix() for name in names)


def _moves(root: Path, staged: Path, below: str) -> Iterator[Step]:
    """What is staged, to its place: whole folders where nothing has their name."""
    for name in sorted(os.listdir(staged / below)):
        path = f"{below}{name}"
        if not os.path.lexists(root / path):
            yield Move(f"{STAGING}/{path}", path)
        elif (staged / path).is_dir() and not (staged / path).is_symlink():
            yield from _moves(root, staged, f"{path}/")


def pin_text(dependencies: str, pin: Pin, version: str = __version__) -> str:
    """The text of `scripts/loop-requirements.txt`: the tool, then its dependencies."""
    tool = f"innerloop=={version} \\\n    --hash=sha256:{pin.sha256}\n"
    return PIN_COMMENT + tool + re.sub(r"\A(#.*\n)*", "", dependencies)


def first_experiment(example: str | None) -> str:
    """The experiment to run first, which the person creates if there is no example."""
    return FIRST.get(example or "", "my_experiment")


def readme(name: str, wanted: NewWorkspace) -> str:
    """The workspace's README: only what this workspace has is in it."""
    first = first_experiment(wanted.example)
    is_empty, has_ci = wanted.example is None, bool(wanted.orchestrators)
    return workspace_template.readme(name, first, is_empty=is_empty, has_ci=has_ci)


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


def _has_git(root: Path) -> bool:
    return (root / ".git").exists() and process.which("git") is not None


def _fill(root: Path, chosen: Mapping[str, File], pin: Pin) -> None:
    for name, file in chosen.items():
        content = file.content
        if name == workspace_template.PIN:
            content = pin_text(content.decode(), pin).encode()
        if not file.link:
            _write(root / name, content, file.executable)
    links = {name: file.link for name, file in chosen.items() if file.link}
    makes_links = not links or files.can_link(root)
    for name, text in links.items():
        if makes_links:
            files.make_link(root / name, text)
        else:  # as git checks it out here
            _write(root / name, text.encode())
    files.make_folder(root / "src")
    if pin.wheel is not None:
        _write(root / WHEELS / pin.wheel.name, pin.wheel.read_bytes())


def _write(path: Path, content: bytes, executable: bool = False) -> None:
    files.write_stream(path, [content], executable=executable)


@contextmanager
def _repository(root: Path, wanted: bool, folder: Path) -> Iterator[None]:
    """A git repository in `root`, which becomes `folder`, unless one holds that already.

    It is removed again if the block fails.
    """
    made = wanted and git_ignored.make_repository(root, folder)
    try:
        yield
    except BaseException:
        if made:
            with files.confining(root):
                files.remove_tree(root / ".git")
        raise
