"""The instructions of a generated Dockerfile that install requirements, by uv or else by pip. Pure.

uv installs requirements with hashes, which decide what is installed. Without hashes it may choose others
than pip does: it takes a package from the first index that has it, and sees none of those that the
system's packages bring. It reads no settings of pip: where an image has some that matter, pip installs,
else a private package would be looked for on a public index. So it does where there is no uv, and where
uv fails.

Sources: pip's documentation, "Configuration" and "pip config"; uv's documentation, "Compatibility with
pip"; Python's documentation, "compileall".
"""

from __future__ import annotations

import posixpath
import shlex

from .dockerfile_mounts import OURS, secret_path

# Where uv is in the image.
UV_FOLDER = "/opt/innerloop/uv"
UV = f"{UV_FOLDER}/bin/uv"
_UV_LOCK = "/opt/innerloop/uv-itself.txt"
# Settings of pip that change neither which packages are installed nor where they come from. Without the
# authority (cert) uv may fail, and pip installs.
_HARMLESS = (
    *("break-system-packages", "cache-dir", "cert", "compile", "config-file", "default-timeout"),
    *("disable-pip-version-check", "exists-action", "log", "no-cache-dir", "no-color"),
    *("no-compile", "no-input", "no-python-version-warning", "no-warn-conflicts"),
    *("no-warn-script-location", "progress-bar", "quiet", "retries", "root-user-action"),
    *("timeout", "verbose"),
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
RUN rm -rf {UV_FOLDER} && mkdir -p {posixpath.dirname(UV_FOLDER)} \\
    && {listed_uv(lock)}; \\
    if [ -n "$( {{ {_SETTINGS}; }} \\
            | grep -E '^(global|install|:env:)[.]' \\
            | grep -Eiv '[.]({harmless})=')" ]; then \\
        echo 'innerloop: the image has settings of pip, which uv does not read'; \\
    elif python3 -m pip --version > /dev/null 2>&1; then \\
        {pip_install()} \\
            --target {UV_FOLDER} --only-binary :all: --require-hashes -r {_UV_LOCK} \\
        || echo 'innerloop: uv cannot be installed'; \\
    elif command -v uv > /dev/null; then \\
        mkdir -p {posixpath.dirname(UV)} && ln -s "$(command -v uv)" {UV}; \\
    fi
"""


def install_step(file: str, *, hashed: bool, enforced: bool = True) -> str:
    """Install a requirements file; with hashes by the uv of `uv_step`.

    `enforced`: pip, too, is told that each requirement has a hash. If not, it demands that as soon as
    one has.
    """
    path = shlex.quote(file)
    if not hashed:
        return f"RUN {pip_install()} -r {path}\n"
    return f"""\
RUN if [ ! -x {UV} ] \\
        || ! UV_HTTP_TIMEOUT=120 {UV} pip install --no-cache \\
            --project {UV_FOLDER} --python "$(command -v python3)" \\
            --break-system-packages --require-hashes -r {path}; then \\
        echo 'innerloop: pip installs the packages'; \\
        {pip_install()} \\
            {"--require-hashes " if enforced else ""}-r {path}; \\
    fi
"""


def bytecode_step(python: str = "python3") -> str:
    """Compile the packages and Python's own library, without the packages' tests.

    An image may have no byte code, and a container writes none, so each start would compile.
    """
    paths = 'import sysconfig as s; print(s.get_path("stdlib"), s.get_path("purelib"))'
    return (
        f"RUN {python} -m compileall -qq -j 0 -x '/tests?/' \\\n"
        f"    $({python} -c '{paths}') || true\n"
    )
