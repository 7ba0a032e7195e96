"""The wheel of the running tool, which a new workspace pins by its sha256.

Where no index is known that has this very build, the wheel is packed again from what is installed,
and the workspace holds it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .. import __version__
from ..util import console, files, locked_environments, pip, process, regular_files, venvs
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from ..util.wheels import WHEELS
from . import workspace_template
from .workspace_template import File

# Its build tag has it preferred to a wheel of the same version elsewhere.
NAME = f"innerloop-{__version__}-1-py3-none-any.whl"
PACKED = (
    f"no package index that pip is set up for has this innerloop {__version__}, so the workspace "
    f"holds the tool itself, in {WHEELS}"
)
PERHAPS_PACKED = (
    f"if no package index that pip is set up for has this innerloop {__version__}, the workspace "
    f"also holds the tool itself, in {WHEELS}"
)
# Builds where it is started, as every builder of wheels calls it.
_BUILD = "import sys; from hatchling import build; build.build_wheel(sys.argv[1])"
_ENTRY = late_pattern(r"(?m)^innerloop==(?P<version>\S+)(?P<hashes>(?:[^\n]*\\\n)*[^\n]*)\n?")
# A lock is some hundred lines.
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Pin:
    """The tool that a workspace runs, by the sha256 of its wheel.

    `wheel`: the file, where the workspace is to hold it itself; None where an index has it. `note`:
    what the person should know about that, or "".
    """

    sha256: str
    wheel: Path | None = None
    note: str = ""


def find(given: Path | None, root: Path, scratch: Path) -> Pin:
    """The pin of the wheel that a new workspace uses.

    It is the given wheel; when this tool runs from its sources, the wheel that is built of them;
    when a launcher started it, what that launcher's workspace `root` pins; else the wheel that this
    tool was installed from, a file or an index.
    """
    sources = workspace_template.repository()
    if given is not None:
        return _checked(given)
    if sources is not None:
        return _held(_built(sources, scratch))
    pin = of_launcher(Path(sys.prefix), root)
    if pin is not None:
        return pin
    wheel = _installed_from()
    if wheel is not None:
        return _held(wheel)
    installed = dict(_installed())
    console.say(f"asking the package index for the hash of innerloop {__version__}")
    content = _downloaded(scratch)
    if content is not None and is_of(content, installed):
        return Pin(_sha256(content))
    wheel = scratch / "packed" / NAME
    files.write_stream(wheel, [pack(installed)])
    return Pin(_held(wheel).sha256, wheel, PACKED)


def expected(given: Path | None, root: Path, scratch: Path) -> Pin:
    """What `find` returns as far as no build and no index is needed, for a list of files."""
    if given is not None:
        return _checked(given)
    wheel = scratch / f"innerloop-{__version__}-py3-none-any.whl"
    if workspace_template.repository() is not None:
        files.write_stream(wheel, [b""])
        return _held(wheel)
    pin = of_launcher(Path(sys.prefix), root)
    if pin is not None:
        return pin
    installed = _installed_from()
    return Pin("0" * 64, note=PERHAPS_PACKED) if installed is None else _held(installed)


def _checked(wheel: Path) -> Pin:
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
    return _held(wheel)


def _held(wheel: Path) -> Pin:
    return Pin(_sha256(wheel.read_bytes()), wheel)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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


def of_launcher(environment: Path, root: Path) -> Pin | None:
    """The pin of the launcher that made the environment of this tool; None if none did.

    The lock is the launcher's own copy, which it has installed from: not that of a workspace.
    """
    try:
        lock = regular_files.read_bytes(environment / "requirements.txt").decode("utf-8")
    except (OSError, ValueError, UserError):
        return None
    hashes = hashes_of(lock)
    if not hashes or len(lock) > _LONGEST or not (environment / "ready").is_file():
        return None
    for wheel in sorted((root / WHEELS).glob(f"innerloop-{__version__}-*.whl")):
        if wheel.is_file() and (pin := _held(wheel)).sha256 in hashes:
            return pin
    return Pin(hashes[0])


def hashes_of(lock: str, version: str = __version__) -> list[str]:
    """The sha256 of the tool's wheel that a lock names for this version; often one, or none."""
    found = _ENTRY.search(lock)
    if found is None or found["version"] != version:
        return []
    return re.findall(r"--hash=sha256:([0-9a-f]{64})\b", found["hashes"])


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


def _downloaded(scratch: Path) -> bytes | None:
    """The wheel of this version from the index that pip is set up for; None if it has none."""
    environ = {**pip.LIMITS, **os.environ, **pip.index_of_uv(os.environ)}
    try:
        argv = [*pip.command(sys.executable, scratch), "download", "--quiet", "--no-deps"]
    except UserError:
        return None
    argv += ["--only-binary", ":all:", "--dest", str(scratch), f"innerloop=={__version__}"]
    process.run(argv, env=environ)
    files.remove_tree(scratch / "venv")
    found = sorted(scratch.glob("innerloop-*.whl"))
    return found[0].read_bytes() if found else None


def _installed() -> Iterator[tuple[str, File]]:
    """What a wheel of the running tool holds, as it is installed: path -> content."""
    package = workspace_template.PACKAGE
    folders = [package, package.with_name(f"innerloop-{__version__}.dist-info")]
    # What an installer adds: the rest of its notes begins with no such name.
    of_wheel = re.compile(r"METADATA|WHEEL|entry_points\.txt|licenses/.*")
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if not path.is_file() or path.suffix in (".pyc", ".pyo"):
                continue
            if folder is package or of_wheel.fullmatch(name):
                executable = bool(path.stat().st_mode & 0o100)
                yield f"{folder.name}/{name}", File(path.read_bytes(), executable=executable)


def is_of(content: bytes, installed: Mapping[str, File]) -> bool:
    """Whether a wheel holds what is installed: an index may have another project of this name."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {name for name in archive.namelist() if not name.endswith("/RECORD")}
            return names == set(installed) and all(
                archive.read(name) == installed[name].content for name in names
            )
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def pack(installed: Mapping[str, File]) -> bytes:
    """A wheel of these files: byte for byte the one that they were installed from.

    (Where zlib compresses as it did there.) A test compares it with what hatchling builds.
    Source: Python Packaging User Guide, "Binary distribution format".
    """
    record = f"innerloop-{__version__}.dist-info/RECORD"
    names = sorted(installed, key=_place)
    rows = [_row(name, installed[name].content) for name in names]
    whole = {name: installed[name] for name in names}
    whole[record] = File("".join([*rows, f"{record},,\n"]).encode())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in whole.items():
            info = zipfile.ZipInfo(name, (2020, 2, 2, 0, 0, 0))
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
            mode = 0o100755 if file.executable else 0o100644
            info.external_attr = (0o644 if ".dist-info/" in name else mode) << 16
            archive.writestr(info, file.content)
    return out.getvalue()


def _place(name: str) -> tuple[object, ...]:
    """Where hatchling has a file in a wheel: the package, then what `hatch_build.py` adds."""
    *folders, file = name.split("/")
    below = name.partition("/")[2]
    if ".dist-info/" in name:
        return 2, below
    if below.startswith((f"{workspace_template.FOLDER}/", workspace_template.DATA, "CHANGELOG.md")):
        return 1, below.count("/"), below
    # A folder's files, then its folders.
    return 0, *((1, folder) for folder in folders), (0, file)


def _row(name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"
