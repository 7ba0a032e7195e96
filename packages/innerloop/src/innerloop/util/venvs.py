"""Virtual environments in the user's cache, each made once from hash-locked requirements files.

An environment is made at its final path, since console scripts contain their interpreter's full
path, under a lock file. The marker `ready` is written last: an environment without it is
incomplete, and is made again.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from . import files, network, process, processor, uv_installer
from .cache_folder import cache_folder as cache_folder
from .errors import UserError
from .network import Network
from .progress import Progress
from .quick_dataclasses import dataclass

Say = Callable[[str], None]

# A file in an environment with the root of its workspace, for `loop clean`.
OWNER = "workspace"
# What `pip --python` sets as it starts itself: no setting makes it start once more.
_RUNNING = {"_PIP_RUNNING_IN_SUBPROCESS": "1"}
# Prints the wheels that an interpreter's ensurepip installs; none where it has them elsewhere (Debian).
_BUNDLED = (
    "import ensurepip, pathlib\n"
    "print(*pathlib.Path(ensurepip.__file__).parent.glob('_bundled/*.whl'), sep='\\n')"
)
# A download of so many bytes is named where there is no terminal.
_LARGE = 100_000_000


@dataclass(frozen=True, slots=True)
class OwnInstaller:
    """Another program that makes an environment: its steps, in a folder, with more variables."""

    steps: tuple[tuple[str, ...], ...]
    cwd: Path
    variables: Mapping[str, str] = field(default_factory=dict)


def base_python() -> str:
    """The interpreter that the tool's environment was made with, which needs nothing of it."""
    return getattr(sys, "_base_executable", None) or sys.executable


def python_of(environment: Path) -> Path:
    if os.name == "nt":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def programs_of(environment: Path) -> Path:
    """The folder with the environment's console scripts."""
    return python_of(environment).parent


def is_ready(environment: Path) -> bool:
    return (environment / "ready").is_file() and python_of(environment).exists()


def tag() -> str:
    """System and processor, which an environment depends on like on its requirements."""
    return f"{sys.platform}-{processor.machine()}"


def ensure(
    environment: Path,
    requirements: Sequence[Path],
    *,
    python: str,
    purpose: str,
    say: Say,
    hashed: bool = True,
    reach: Network | None = None,
    owner: str = "",
    wheels: Path | None = None,
    uv: Callable[[], str] | None = None,
    only_wheels: bool = False,
    isolated: bool = False,
    installer: OwnInstaller | None = None,
) -> Path:
    """Make the environment from requirements files, unless it is ready, and return it.

    `python` is its base interpreter; `purpose` completes the message "setting up ..."; `hashed`:
    every requirement has hashes; `reach`: the network settings (None: those of this machine);
    `owner`: the root of the workspace it is made for, whose programs may call pip; `wheels`: a folder
    to look in first, so that an index is asked only for what it lacks; `uv` returns the path of uv or
    "", without it pip installs; `only_wheels`: nothing is built from its source; `isolated`: its
    programs are started with `python -I`, which writes bytecode whatever PYTHONDONTWRITEBYTECODE says;
    `installer`: makes it instead of pip or uv, and there are no requirements then. Of two callers at
    once, one waits. UserError if it cannot be made, with the end of the installer's output.
    """
    if is_ready(environment):
        return environment
    _check_writable(environment.parent)
    program = uv() if uv is not None and _names_packages(requirements) else ""
    lock = environment.with_name(environment.name + ".lock")
    with files.locked(
        lock, waiting=f"innerloop: waiting for another command that is setting up {purpose}"
    ):
        if not is_ready(environment):
            making = _Making(
                environment,
                requirements,
                python=python,
                purpose=purpose,
                say=say,
                network=reach or network.of_machine(os.environ),
                hashed=hashed,
                with_pip=bool(owner),
                only_wheels=only_wheels,
                isolated=isolated,
                wheels=wheels if wheels is not None and wheels.is_dir() else None,
            )
            making.make(program, installer)
            if owner:
                files.write_text(environment / OWNER, owner)
    return environment


def _names_packages(requirements: Sequence[Path]) -> bool:
    """Whether there is anything to install."""
    texts = (files.read_text(path) or "" for path in requirements)
    return any(line.split("#")[0].strip() for text in texts for line in text.splitlines())


@dataclass(frozen=True, slots=True)
class _Making:
    """One environment that is being made: see `ensure`."""

    environment: Path
    requirements: Sequence[Path]
    python: str
    purpose: str
    say: Say
    network: Network
    hashed: bool
    with_pip: bool
    only_wheels: bool
    isolated: bool
    wheels: Path | None

    def make(self, uv: str, installer: OwnInstaller | None) -> None:
        """With uv, and with pip where uv is "" or fails at what pip may be able to do.

        An `installer` of its own makes it in its own way.
        """
        started = time.monotonic()
        self.say(f"innerloop: setting up {self.purpose} (once)")
        files.remove_tree(self.environment)
        if uv and (why := uv_installer.needs_pip(self.network, hashed=self.hashed)):
            self.say(f"innerloop: pip installs, since {why}")
            uv = ""
        if installer is not None:
            self._with_own(installer)
        elif not (uv and self._with_uv(uv)):
            self._with_pip()
        self._add_bytecode()
        text = "".join(f"{path.name}\n" for path in self.requirements)
        files.write_text(self.environment / "ready", text)
        took = time.monotonic() - started
        self.say(f"innerloop: {self.purpose} is ready after {took:.0f} s")

    def _add_bytecode(self) -> None:
        """Take what another environment has compiled.

        The rest is left to Python, which compiles what is imported, unless it must not write it.
        """
        from . import bytecode  # here: most commands make no environment

        bytecode.adopt(self.environment)
        if os.environ.get("PYTHONDONTWRITEBYTECODE") and not self.isolated:
            bytecode.compile_all(self.environment, str(python_of(self.environment)))

    def _with_own(self, installer: OwnInstaller) -> None:
        told = uv_installer.variables(
            self.network, {**os.environ, **self._added}, cache_folder(), self.environment
        )
        for step in installer.steps:
            argv = list(step)
            if failed := self._run(argv, {**told, **installer.variables}, installer.cwd):
                raise self._failure(argv, failed)
        self._add_pip()

    def _add_pip(self) -> None:
        """Python's own copy of pip, from this disk: `uv venv --seed` fetches one without a hash."""
        if self.with_pip and not self._take_pip(_pip_runner(self.python)):
            process.run([str(python_of(self.environment)), "-Im", "ensurepip", "--default-pip"])

    def _take_pip(self, runner: str) -> bool:
        """Install what ensurepip would, by the pip of the base interpreter; whether that did it.

        ensurepip takes some 8 s: it runs the pip that it installs out of its wheel, and compiles all of
        it. Python compiles what is used of it.
        """
        if not runner:
            return False
        python = str(python_of(self.environment))
        wheels = process.run([python, "-Ic", _BUNDLED]).out.splitlines()
        argv = [python, "-I", runner, "install", "--no-index", "--no-deps", "--no-compile", *wheels]
        # As for ensurepip, no settings of the user count, which may name another place.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        own = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **_RUNNING}
        return bool(wheels) and process.run(argv, env={**kept, **own}).ok

    def _with_pip(self) -> None:
        """With the pip of the base interpreter if that can, else with one in the environment."""
        creating, installing = _with_pip(self.environment, self.requirements, self.python)
        installing += ["--only-binary", ":all:"] if self.only_wheels else []
        made = process.run([*creating, "--without-pip"])
        runner = _pip_runner(self.python) if made.ok else ""
        if runner and (not self.with_pip or self._take_pip(runner)):
            argv, told = [str(python_of(self.environment)), "-I", runner, *installing[3:]], _RUNNING
        else:
            files.remove_tree(self.environment)
            self._run_or_fail(creating, {})
            argv, told = installing, {}
        if _names_packages(self.requirements):
            self._install(argv, told)

    def _with_uv(self, uv: str) -> bool:
        """Whether uv made it. UserError for a failure that would be pip's too."""
        creating, installing = _with_uv(uv, self.environment, self.requirements, self.python)
        installing += uv_installer.options(self.network)
        told = uv_installer.variables(
            self.network, {**os.environ, **self._added}, cache_folder(), self.environment
        )
        failed = self._run(creating, told)
        index, local, rest = uv_installer.split(self._text)
        if index and not failed:
            installing, failed = self._install_local(installing, index, local, rest, told)
        failed = failed or self._install(installing, told, raises=False)
        other = network.public_index_first(self.network, os.environ) if self.hashed else {}
        if failed and other and uv_installer.has_no_version("\n".join(failed)):
            failed = self._install(installing, {**told, **other}, raises=False)
        if failed:
            text = "\n".join(failed)
            if uv_installer.is_final(text):
                raise self._failure(installing, failed)
            reason = uv_installer.reason(text)
            self.say(f"innerloop: uv cannot install this ({reason}); pip tries")
            files.remove_tree(self.environment)
            return False
        self._add_pip()
        return True

    @property
    def _text(self) -> str:
        """The first lock's text, "" if it has no hashes."""
        return (files.read_text(self.requirements[0]) or "") if self.hashed else ""

    def _install_local(
        self, installing: list[str], index: str, local: str, rest: str, told: Mapping[str, str]
    ) -> tuple[list[str], list[str]]:
        """Install what only an index of the lock's own has. Returns (argv for the rest, failure).

        A lock names all that it needs, so nothing is resolved.
        """
        files.write_text(self.environment / "local.txt", local)
        files.write_text(self.environment / "rest.txt", rest)
        first, other = (str(self.environment / name) for name in ("local.txt", "rest.txt"))
        whole = str(self.requirements[0])
        at = installing.index("-r")
        alone = [*installing[:at], "-r", first, "--no-deps", "--default-index", index]
        none = {"UV_EXTRA_INDEX_URL": "", "UV_INDEX_URL": "", "UV_INDEX": ""}
        failed = self._install(alone, {**told, **none}, raises=False)
        argv = [other if word == whole else word for word in installing]
        return [*argv, "--no-deps"], failed

    def _install(
        self, argv: list[str], told: Mapping[str, str], *, raises: bool = True
    ) -> list[str]:
        """Install from the folder of wheels alone if that has all. Returns the output of a failure."""
        words = [word for word in argv if self.hashed or word != "--require-hashes"]
        if self.wheels is not None:
            words += ["--find-links", str(self.wheels)]
            alone = [*words, *(["--no-index"] if "--no-index" not in words else [])]
            if process.run(alone, cwd=self._cwd, env=self._environ(told)).ok:
                return []
        failed = self._run(words, told)
        if failed and raises:
            raise self._failure(words, failed)
        return failed

    def _run_or_fail(self, argv: list[str], told: Mapping[str, str]) -> None:
        if failed := self._run(argv, told):
            raise self._failure(argv, failed)

    def _run(self, argv: list[str], told: Mapping[str, str], cwd: Path | None = None) -> list[str]:
        """The output of a step that failed, of one line at least; empty if it did not fail."""
        lines: list[str] = []
        downloads = uv_installer.Downloads()
        with Progress() as progress:

            def on_line(line: str) -> None:
                lines.append(line)
                progress.show(downloads.text(line))
                if not progress.is_live and uv_installer.download_size(line) >= _LARGE:
                    self.say(f"  {line.strip()}")

            code = process.follow(argv, on_line, cwd=cwd or self._cwd, env=self._environ(told))
        return [] if code == 0 else [*lines, *([] if lines else [f"exit code {code}"])]

    def _failure(self, argv: Sequence[str], lines: Sequence[str]) -> UserError:
        if "ensurepip" in "\n".join(lines):
            return UserError(
                "this Python cannot make virtual environments: its ensurepip is missing",
                code="environment-failed",
                hint="Install it (Debian and Ubuntu: `apt install python3-venv`), or install uv",
            )
        tail = "\n".join(f"    {line}" for line in lines[-15:])
        return UserError(
            f"setting up {self.purpose} failed:\n{tail}\n  The command was: {' '.join(argv)}",
            code="environment-failed",
            hint="Fix what the lines above name and run the command again",
        )

    @property
    def _cwd(self) -> Path | None:
        # Paths in a requirements file are relative to where the installer is started.
        return self.requirements[0].parent if self.requirements else None

    @property
    def _added(self) -> dict[str, str]:
        return network.for_installer(self.network, cache_folder(), os.environ)

    def _environ(self, told: Mapping[str, str]) -> dict[str, str]:
        """A person's settings for other environments must not affect the new one."""
        kept = {k: v for k, v in os.environ.items() if k not in uv_installer.IGNORED}
        return {**kept, **self._added, **told}


def _with_uv(
    uv: str, environment: Path, requirements: Sequence[Path], python: str
) -> list[list[str]]:
    # A person's own uv.toml counts, one in the workspace does not.
    ours = ["--project", str(environment.parent), "--color", "never"]
    install = [uv, "pip", "install", *ours, "--require-hashes"]
    return [
        [uv, "venv", *ours, "--no-python-downloads", "--python", python, str(environment)],
        [*install, "--python", str(python_of(environment)), *_files(requirements)],
    ]


def _pip_runner(python: str) -> str:
    """What runs an interpreter's pip in another one; "" if it has none, or one older than 22.3.

    `pip --python` starts it, after a start of its own, which takes as long again.
    """
    done = process.run([python, "-Ic", "import pip; print(pip.__path__[0])"])
    runner = os.path.join(done.out.strip(), "__pip-runner__.py")
    return runner if done.ok and os.path.isfile(runner) else ""


def _with_pip(environment: Path, requirements: Sequence[Path], python: str) -> list[list[str]]:
    pip = [str(python_of(environment)), "-m", "pip", "--disable-pip-version-check", "install"]
    return [
        [python, "-m", "venv", str(environment)],
        [*pip, "--no-input", "--timeout", "120", "--require-hashes", *_files(requirements)],
    ]


def _files(requirements: Sequence[Path]) -> list[str]:
    return [word for path in requirements for word in ("-r", str(path))]


def _check_writable(folder: Path) -> None:
    try:
        writable = os.access(files.make_folder(folder), os.W_OK)
    except UserError:
        writable = False
    if not writable:
        raise UserError(
            "the cache folder is not writable",
            code="cache-not-writable",
            where=str(folder),
            hint="Set INNERLOOP_CACHE to a writable folder",
        )
