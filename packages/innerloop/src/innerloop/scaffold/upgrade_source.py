"""Where another version of the tool comes from: an index, a wheel, or a folder of wheels.

The wheel's own template has the launcher and the pin of its version. They are put into a scratch
folder of the cache that looks like a workspace, and its launcher makes the environment there, under
the key that the workspace will have. So every failure of a network happens before anything is
written to the workspace.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from .. import __version__
from ..model.settings import settings
from ..util import files, network, pip, process, regular_files, toml_text, venvs, versions
from ..util.cache_folder import cache_folder
from ..util.errors import UsageError, UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from ..util.wheels import WHEELS
from . import init, tool_edits, tool_wheel, upgrade_record
from .tool_wheel import Pin
from .workspace_template import PIN

SCRATCH = "upgrade"
_OLDEST = 86_400.0  # seconds after which what a kill left in the cache is removed
_NAME = late_pattern(r"innerloop-([^-/\\]+)-[^/\\]*\.whl")
_TEMPLATE = "innerloop/templates/workspace/"
_COMMAND = "innerloop/commands/upgrade.py"
# Larger than any file of the template that is read.
_LARGEST = 4_000_000
_LIMITS = {**pip.LIMITS, "UV_HTTP_TIMEOUT": "4", "UV_HTTP_RETRIES": "1"}


@dataclass(frozen=True, slots=True)
class Release:
    """A version that was found, with the hashes that its pin is to have.

    `wheel`: its file, None where uv has it in its own cache; then `package` is a folder that it is
    installed in. `beside`: other wheels that came with it. `is_local`: it is a file of the
    person's, which the workspace is to hold.
    """

    version: str
    hashes: tuple[str, ...]
    wheel: Path | None = None
    package: Path | None = None
    beside: tuple[Path, ...] = ()
    is_local: bool = False


def authority(root: Path) -> str:
    """The setting `ca` of a workspace whose other settings may be of another version."""
    text = files.read_text(root / "pyproject.toml") or ""
    try:
        table = toml_text.parse(text)
    except (ValueError, RecursionError):
        return settings.of_workspace(text, "pyproject.toml").ca  # says what is wrong, and where
    for key in ("tool", "innerloop"):
        table = table.get(key, {})
        if not isinstance(table, dict):
            return ""
    ca = table.get("ca", "")
    return ca if isinstance(ca, str) else ""


def find(word: str | None, root: Path, ca: str, scratch: Path) -> Release:
    """The release that `--to` names: a version, a wheel, a folder of wheels; None: the newest one.

    What comes from an index lies in `scratch` afterwards. UserError if it cannot be had.
    """
    if word is None:
        return _downloaded("", root, ca, scratch)
    path = Path(word)
    if path.is_dir():
        return _newest_in(path)
    if word.endswith(".whl") or os.path.lexists(path):
        return _of_file(path)
    if versions.parse(word) is None:
        raise UsageError(
            f"--to {word} is neither a version, nor a wheel or a folder that exists",
            code="upgrade-target",
            hint="Name a version (0.3.0), a wheel, or a folder of wheels",
        )
    return _replaced(word, root, scratch) or _downloaded(word, root, ca, scratch)


def _replaced(version: str, root: Path, scratch: Path) -> Release | None:
    """The release that the last upgrade replaced, if the workspace held its wheel itself.

    An index may never have had it.
    """
    last = None
    with suppress(UserError):
        last = upgrade_record.read(root)
    if last is None or last.old != version:
        return None
    hashes = tool_wheel.hashes_of(upgrade_record.text_before(root, last, PIN), version)
    folder = files.make_folder(scratch / "replaced")
    for path, kept in upgrade_record.removed(root, last):
        if path.startswith(f"{WHEELS}/") and path.endswith(".whl"):
            files.write_stream(folder / path.rpartition("/")[2], [regular_files.read_or_fail(kept)])
    for wheel in sorted(folder.glob(f"innerloop-{version}-*.whl")):
        if (found := _of_file(wheel)).hashes[0] in hashes:
            others = (path for path in sorted(folder.glob("*.whl")) if not _NAME.match(path.name))
            return replace(found, beside=tuple(others))
    return None


def prepare(release: Release, root: Path, ca: str, scratch: Path) -> Path:
    """Make the environment of a release, and return its launcher in the folder `scratch`."""
    contents = _contents(release)
    pin = init.pin_text(contents[PIN].decode(), Pin(release.hashes[0]), release.version)
    more = "".join(f" \\\n    --hash=sha256:{digest}" for digest in release.hashes[1:])
    pin = pin.replace(release.hashes[0], release.hashes[0] + more, 1)
    files.write_stream(scratch / tool_edits.LAUNCHER, [contents[tool_edits.LAUNCHER]])
    files.write_text(scratch / PIN, pin)
    if ca:
        where = (root / os.path.expanduser(ca)).as_posix()
        files.write_text(scratch / "pyproject.toml", f'[tool.innerloop]\nca = "{where}"\n')
    wheels = {path.name: path for path in (*_held(root, pin), *release.beside)}
    if release.wheel is not None and (release.is_local or (root / WHEELS).is_dir()):
        wheels[release.wheel.name] = release.wheel
    for name, path in wheels.items():
        files.write_stream(scratch / WHEELS / name, [regular_files.read_or_fail(path)])
    launcher = scratch / tool_edits.LAUNCHER
    # A command that may write: without a network, one that only reads takes an older environment.
    done = process.run([venvs.base_python(), str(launcher), "sync", "--help"], cwd=scratch)
    if not done.ok:
        tail = "\n".join(done.err.rstrip().splitlines()[-15:])
        raise UserError(
            f"innerloop {release.version} cannot be installed, so nothing was changed:\n{tail}\n ",
            code="upgrade-unavailable",
            hint="Correct what the lines above name, and run the command again",
        )
    return launcher


def hand_over(launcher: Path, words: Sequence[str]) -> int:
    """Go on as another version of the tool, whose environment is ready."""
    return process.exec_replace([venvs.base_python(), str(launcher), *words])


def new_scratch() -> Path:
    """A folder in the cache. Those that a kill left there are removed after a day."""
    parent = files.make_folder(cache_folder() / SCRATCH)
    for path in parent.iterdir():
        if path.lstat().st_mtime < time.time() - _OLDEST:
            files.remove_tree(path)
    return files.make_folder(parent / os.urandom(8).hex(), new=True)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """`new_scratch`, removed at the end. After `hand_over`, the other version removes it."""
    folder = new_scratch()
    try:
        yield folder
    finally:
        files.remove_tree(folder)


def is_pinned(release: Release, root: Path) -> bool:
    """Whether the workspace runs this very release already."""
    pin = files.read_text(root / PIN) or ""
    is_same = tool_edits.version_in(pin) == release.version == __version__
    return is_same and all(f"sha256:{digest}" in pin for digest in release.hashes)


def is_scratch(folder: Path) -> bool:
    """Whether an older version made this folder, to hand over from."""
    return folder.parent == (cache_folder() / SCRATCH).resolve()


def _held(root: Path, pin: str) -> list[Path]:
    """The wheels of the workspace that the pin names too."""
    return list(tool_edits.named(sorted((root / WHEELS).glob("*.whl")), pin))


def _newest_in(folder: Path) -> Release:
    found = {}
    for path in sorted(folder.glob("innerloop-*.whl")):
        if match := _NAME.fullmatch(path.name):
            found[match[1]] = path
    newest = versions.newest(*found)
    if not newest:
        raise UserError(
            "no wheel of innerloop is in this folder",
            code="wheel-unavailable",
            where=str(folder),
            hint="Name a folder with innerloop-VERSION-py3-none-any.whl",
        )
    others = [path for path in sorted(folder.glob("*.whl")) if not _NAME.fullmatch(path.name)]
    return replace(_of_file(found[newest]), beside=tuple(others))


def _of_file(path: Path) -> Release:
    match = _NAME.fullmatch(path.name)
    if match is None or versions.parse(match[1]) is None:
        raise UserError(
            "this is not a wheel of innerloop",
            code="wheel-invalid",
            where=str(path),
            hint="Name innerloop-VERSION-py3-none-any.whl",
        )
    return Release(match[1], (_sha256(path),), path, is_local=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(regular_files.read_or_fail(path)).hexdigest()


def _contents(release: Release) -> Mapping[str, bytes]:
    """The launcher and the pin's dependencies. UserError for a file that is no wheel of the tool."""
    names = (tool_edits.LAUNCHER, PIN)
    where = release.wheel or release.package or Path()
    try:
        if release.wheel is not None:
            with zipfile.ZipFile(release.wheel) as archive:
                entries = {entry.filename: entry.file_size for entry in archive.infolist()}
                if any(entries[_TEMPLATE + name] > _LARGEST for name in names):
                    raise ValueError("it is too large")
                found = {name: archive.read(_TEMPLATE + name) for name in names}
            is_able = _COMMAND in entries
        else:
            paths = {name: where / (_TEMPLATE + name) for name in names}
            found = {name: regular_files.read_bytes(path) for name, path in paths.items()}
            is_able = (where / _COMMAND).is_file()
        found[PIN].decode()
    except (OSError, KeyError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"this is not a wheel of innerloop: {error}",
            code="wheel-invalid",
            where=str(where),
            hint="Fetch it again",
        ) from error
    if not is_able:
        raise UserError(
            f"innerloop {release.version} is from before `loop upgrade`, and cannot take over",
            code="upgrade-unsupported",
            hint="Choose a newer one, or go back with git",
        )
    return found


def _downloaded(version: str, root: Path, ca: str, scratch: Path) -> Release:
    """From the index that pip or uv is configured for; "" is the newest release."""
    reach = network.of_machine(os.environ, root=root, ca=ca)
    added = network.for_installer(reach, cache_folder(), os.environ)
    ignored = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environ = {name: value for name, value in os.environ.items() if name not in ignored}
    wanted = f"innerloop=={version}" if version else "innerloop"
    # The authority that the workspace names is none of pip's settings: uv is told it as well.
    uv = None if _is_pip_configured(environ) else process.which("uv")
    environ = {**_LIMITS, **environ, **added}
    if uv is None:
        return _by_pip(wanted, scratch, environ)
    as_uv = {**environ, **pip.index_of_uv(environ)}
    if (root / WHEELS).is_dir():  # it holds the tool, as a file, which uv does not give
        with suppress(UserError):
            return _by_pip(wanted, scratch, as_uv)
    return _by_uv(uv, wanted, scratch, environ) or _by_pip(wanted, scratch, as_uv)


def _is_pip_configured(environ: Mapping[str, str]) -> bool:
    """Whether pip's settings say how to reach an index; uv does not read them.

    The launcher decides in the same way.
    """
    listed = process.run([venvs.base_python(), "-Im", "pip", "config", "list"], env=environ)
    return re.search("(?m)^[^=]*(index|cert|proxy|host|links)", listed.out) is not None


def _by_pip(wanted: str, scratch: Path, environ: Mapping[str, str]) -> Release:
    target = files.make_folder(scratch / "download")
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(target)]
    argv = [*pip.command(venvs.base_python(), scratch), "download", *options, wanted]
    done = process.run(argv, env=environ)
    found = sorted(target.glob("innerloop-*.whl"))
    if not done.ok or not found:
        raise _unavailable(wanted, done)
    return replace(_of_file(found[0]), is_local=False)


def _by_uv(uv: str, wanted: str, scratch: Path, environ: Mapping[str, str]) -> Release | None:
    """None where the index tells no hashes."""
    only = ["--no-deps", "--only-binary", ":all:", "--quiet"]
    argv = [uv, "pip", "compile", "-", *only, "--generate-hashes", "--no-header", "--no-annotate"]
    compiled = process.run(argv, env=environ, stdin=f"{wanted}\n", cwd=scratch)
    version = tool_edits.version_in(compiled.out)
    if not compiled.ok or not version:
        raise _unavailable(wanted, compiled)
    hashes = tuple(re.findall("--hash=sha256:([0-9a-f]{64})", compiled.out))
    if not hashes:
        return None
    lock, package = scratch / "tool.txt", scratch / "package"
    files.write_text(lock, compiled.out)
    argv = [uv, "pip", "install", *only, "--require-hashes", "--python", venvs.base_python()]
    done = process.run([*argv, "--target", str(package), "-r", str(lock)], env=environ, cwd=scratch)
    if not done.ok:
        raise _unavailable(wanted, done)
    return Release(version, hashes, package=package)


def _unavailable(wanted: str, done: process.CompletedCommand) -> UserError:
    tail = "\n".join((done.err or done.out).rstrip().splitlines()[-12:])
    return UserError(
        f"{wanted} cannot be had from an index, so nothing was changed:\n{tail}\n ",
        code="upgrade-unavailable",
        hint=(
            "Connect to a network, configure pip's or uv's index, or name a wheel: "
            "`scripts/loop upgrade --to FILE`"
        ),
    )
