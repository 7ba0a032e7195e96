"""The instructions of a generated Dockerfile that install requirements, by uv or else by pip. Pure.

uv is several times faster, and reads nothing of pip's settings. Where an image has some that matter,
pip installs: else uv would look for the packages of a private index on the public one. pip also installs
where there is no uv, and where uv fails.

Sources: pip's documentation, "Configuration" and "pip config"; uv's documentation, "Compatibility with
pip"; Python's documentation, "compileall".
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Sequence

from .dockerfile_mounts import OURS, secret_path

# Where uv is in the image.
UV_FOLDER = "/opt/innerloop/uv"
UV = f"{UV_FOLDER}/bin/uv"
_UV_LOCK = "/opt/innerloop/uv-itself.txt"
# Settings of pip that change neither which packages are installed nor where they come from. uv may fail
# without the authority (cert), which pip then has.
_HARMLESS = (
    *("break-system-packages", "cache-dir", "cert", "compile", "config-file", "default-timeout"),
    *("disable-pip-version-check", "exists-action", "log", "no-cache-dir", "no-color", "no-compile"),
    *("no-input", "no-python-version-warning", "no-warn-conflicts", "no-warn-script-location"),
    *("progress-bar", "quiet", "retries", "root-user-action", "timeout", "verbose"),
)
_PIP_FILES = "/etc/pip.conf /etc/xdg/pip/pip.conf ~/.pip/pip.conf ~/.config/pip/pip.conf"
# Prints each setting as `pip config list` does. The tool's own file does not count: uv gets the same.
# Without that command, the variables, and a line for each file.
_SETTINGS = f"""\
case "$PIP_CONFIG_FILE" in ({secret_path(OURS)}*) unset PIP_CONFIG_FILE ;; esac; \\
            python3 -m pip config list 2> /dev/null || {{ \\
                env | sed -n 's/^PIP_/:env:./p'; \\
                ls {_PIP_FILES} \\
                    "$PIP_CONFIG_FILE" 2> /dev/null | sed 's/^/global./'; }}"""
# A line with an option that uv understands in another way than pip: all but --hash, -r and -c; of those
# two, what is fetched, which cannot be looked into. In the C locale, so that a byte order mark is skipped.
_OTHER_OPTIONS = "^[^!-~]*-(-?[^-rc]|.*://)"


def pip_install(python: str = "python3") -> str:
    """The start of a command of pip, also for a Python that the system's packages manage.

    By variables, since a pip that is too old for an option would fail at it.
    """
    return (
        "PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore "
        f"{python} -m pip install --no-cache-dir --timeout 120 --disable-pip-version-check"
    )


def listed_uv(lock: str, path: str = _UV_LOCK) -> str:
    """The shell's command that writes uv's own lock, without its comments, into a file of the image."""
    lines = (line.split("#")[0].replace("\\", "") for line in lock.splitlines())
    words = [shlex.quote(word) for line in lines for word in line.split()]
    return " \\\n    ".join(["printf '%s '", *words, f"> {path}"])


def uv_step(lock: str) -> str:
    """Install uv at the version of its lock, unless pip's settings in the image matter.

    An image without pip gives its own uv.
    """
    harmless = "|".join(_HARMLESS).replace("-", ".")
    return f"""\
# uv at one version, checked against its hashes. It reads no settings of pip: if the image has some that
# choose packages or their index, pip installs.
RUN mkdir -p {posixpath.dirname(UV_FOLDER)} \\
    && {listed_uv(lock)}; \\
    if [ -n "$( {{ {_SETTINGS}; }} \\
            | grep -E '^(global|install|:env:)[.]' \\
            | grep -Eiv '[.]({harmless})=')" ]; then \\
        echo 'innerloop: pip installs the packages: uv would not read the settings of pip in this image'; \\
    elif python3 -m pip --version > /dev/null 2>&1; then \\
        {pip_install()} \\
            --target {UV_FOLDER} --only-binary :all: --require-hashes -r {_UV_LOCK} \\
        || echo 'innerloop: pip installs the packages: uv cannot be installed'; \\
    elif command -v uv > /dev/null; then \\
        mkdir -p {posixpath.dirname(UV)} && ln -s "$(command -v uv)" {UV}; \\
    fi
"""


def install_step(file: str, *, others: Sequence[str] = (), hashed: bool = False) -> str:
    """Install a requirements file; `others` are the paths of those that it names.

    `hashed`: every requirement has a hash. If not, the step looks for hashes in the files: pip demands
    all as soon as there is one, and uv is told to. Without any, pip installs files with options that
    uv understands in another way.
    """
    path = shlex.quote(file)
    if hashed:
        return _step(f"--require-hashes -r {path}", f"--require-hashes -r {path}")
    paths = " ".join(shlex.quote(one) for one in (file, *others))
    found = f"hashes=; if grep -qe '--hash=' {paths}; then hashes=--require-hashes; fi"
    unless = f"[ -z \"$hashes\" ] && LC_ALL=C grep -Eq '{_OTHER_OPTIONS}' {paths}"
    return _step(f"$hashes -r {path}", f"-r {path}", before=found, unless=unless)


def _step(uvs: str, pips: str, before: str = "", unless: str = "") -> str:
    """The instruction for the arguments of uv and of pip; `unless`: pip installs if this succeeds."""
    return (
        f"RUN {before}{'; ' if before else ''}\\\n"
        f"    if [ ! -x {UV} ] \\\n"
        + (f"        || {{ {unless}; }} \\\n" if unless else "")
        + f"        || ! UV_HTTP_TIMEOUT=120 {UV} pip install --no-cache \\\n"
        f'            --project {UV_FOLDER} --python "$(command -v python3)" \\\n'
        f"            --break-system-packages {uvs}; then \\\n"
        "        echo 'innerloop: pip installs the packages, not uv'; \\\n"
        f"        {pip_install()} {pips}; \\\n"
        "    fi\n"
    )


def bytecode_step(python: str = "python3") -> str:
    """Compile the packages and Python's own library, without the packages' tests.

    An image may have no byte code, and a container writes none, so each start would compile.
    """
    paths = 'import sysconfig as s; print(s.get_path("stdlib"), s.get_path("purelib"))'
    return (
        f"RUN {python} -m compileall -qq -j 0 -x '/tests?/' \\\n"
        f"    $({python} -c '{paths}') || true\n"
    )
