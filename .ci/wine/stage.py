"""The tool on Windows: commands with the exit code and the text that each should have.

    python3 .ci/wine/stage.py PREFIX REPOSITORY [--both] [--table FILE] [--only TEXT]

PREFIX is what `wine_prefix` of .ci/steps.sh makes. Each row runs in a Windows Python under Wine, in
a workspace whose path has blanks, signs of cmd and letters of several scripts: once as with
Developer Mode, and once where nobody may make symbolic links (`--both`). Exit code 1 if a row differs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from commands import ROWS, Row
from host import Host, unix_path

HERE = Path(__file__).parent
PYTHON = r"C:\Python311\python.exe"
PATH = ";".join(
    [
        r"C:\store\Microsoft\WindowsApps",  # before Python, as on a fresh Windows
        r"C:\Python311",
        r"C:\launcher",
        r"C:\Program Files\Git\cmd",
        r"C:\windows\system32",
        r"C:\windows",
    ]
)
# Of the system outside: what leads there, and paths that Windows does not have.
LEFT_OUT = ("PYTHON", "INNERLOOP", "XDG_", "VIRTUAL_ENV", "LC_", "LANG", "SSL_CERT_DIR", "GIT_", "UV_")
# Seconds of the whole stage, and of one command.
LIMIT, LIMIT_OF_ONE = 1500, 400
# Of venv's python.exe where no process could be created: seen once with Wine, before anything of ours ran.
REFUSED = "Unable to create process using"
TABLE_HEAD = "| command | exit code | with links | without links |\n|---|---|---|---|\n"


@dataclass
class Windows:
    """One prefix with its programs; `folder` holds what this stage makes, and goes with it."""

    prefix: Path
    folder: Path
    host: Host
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, words: list[str], cwd: Path, **variables: str) -> tuple[int, str]:
        """Exit code and output. Through pipes, the only standard streams that Wine gives Python."""
        done = subprocess.run(
            ["wine", *words],
            cwd=cwd,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_OF_ONE,
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8", "backslashreplace")


def windows(prefix: Path, folder: Path) -> Windows:
    host = Host(prefix)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    outside = {
        name: "Z:" + value.replace("/", "\\")
        for name, value in kept.items()
        if value.startswith("/") and name.endswith(("_CERT", "_BUNDLE", "_FILE"))
    }
    environment = {
        **kept,
        **outside,
        "HOME": str(folder),
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree=;mshtml=",
        "WINEPATH": PATH,
        "WINE_HOST": str(host.port),
        "LC_ALL": "C.UTF-8",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "CI": "true",
    }
    environment.pop("PIP_FIND_LINKS", None)
    made = Windows(prefix, folder, host, environment)
    library = prefix / "drive_c/Python311/Lib"
    for name in ("sitecustomize.py", "host_client.py", "programs.py"):
        shutil.copy(HERE / name, library / name)
    # One that lives as long as the stage: with the last program Windows would end, and its start
    # takes longer than a command. What a command starts inherits its pipe; so nothing is left to start.
    subprocess.Popen(
        ["wine", PYTHON, "-c", f"import time; time.sleep({LIMIT})"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(5)
    code, out = made.run([PYTHON, r"C:\Python311\Lib\programs.py"], prefix)
    if code:
        sys.exit(f"the stand-ins cannot be made:\n{out}")
    return made


def checkout(repository: Path, target: Path, *, links: bool) -> None:
    """The repository as git for Windows checks it out, with what is not committed."""
    target.mkdir(parents=True)
    git = ["git", "-C", str(target)]
    for words in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "Mika"],
        ["config", "user.email", "mika@example.com"],
        ["config", "core.autocrlf", "true"],
        ["config", "core.filemode", "false"],
        ["config", "core.symlinks", str(links).lower()],
    ):
        subprocess.run([*git, *words], check=True)
    listed = ["git", "-C", str(repository), "ls-files", "-z", "-co", "--exclude-standard"]
    names = subprocess.run(listed, check=True, capture_output=True).stdout
    present = [name for name in names.split(b"\0") if name and os.path.lexists(repository / os.fsdecode(name))]
    subprocess.run(
        ["git", "--git-dir", str(target / ".git"), "--work-tree", str(repository)]
        + ["-c", "core.symlinks=true", "add", "--pathspec-from-file=-", "--pathspec-file-nul"],
        input=b"\0".join(present),
        cwd=repository,
        check=True,
        capture_output=True,
    )
    subprocess.run([*git, "commit", "-q", "-m", "The workspace"], check=True)
    subprocess.run([*git, "checkout", "-q", "-f", "HEAD", "--", "."], check=True)


def verdict(system: Windows, row: Row, workspace: Path, *, links: bool) -> tuple[str, str]:
    """("ok", "") or what differs and the output's end."""
    variables = {} if links else {"WINE_NO_LINKS": "1"}
    for name, content in row.files.items():
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    path = unix_path(row.cwd, system.prefix) if row.cwd else ""
    words = row.words if row.is_program else [PYTHON, r"scripts\loop", *row.words]
    code, out = system.run(list(words), Path(workspace, path), **variables, **row.variables)
    code_, text = row.code, row.text
    if not links:
        code_ = code_ if row.code_without is None else row.code_without
        text = text if row.text_without is None else row.text_without
    missing = [part for part in text.split(" ... ") if part not in out]
    unwanted = [part for part in ("Traceback (most", "sudo", "chmod ", "`export ", "`scripts/loop") if part in out]
    if code == code_ and not missing and not unwanted:
        return "ok", ""
    faults = [f"exit code {code}, not {code_}"] * (code != code_)
    faults += [f"lacks {part!r}" for part in missing] + [f"says {part!r}" for part in unwanted]
    end = "\n".join(out.splitlines()[-25:])
    return "; ".join(faults), end


def verdicts(
    system: Windows, rows: list[Row], workspace: Path, *, links: bool, gives_up: bool
) -> dict[Row, str] | None:
    """What differs for each row, printed as it is known.

    Later rows need what earlier ones made. So with `gives_up`, None as soon as Wine has refused to
    create a process for one: all of them need another workspace.
    """
    found: dict[Row, str] = {}
    for row in rows:
        started = time.monotonic()
        result, out = verdict(system, row, workspace, links=links)
        print(f"  {'ok ' if result == 'ok' else 'BAD'} {time.monotonic() - started:5.1f} s  {row.shown}", flush=True)
        if result != "ok":
            print(f"      {result}\n" + "\n".join(f"      | {line}" for line in out.splitlines()), flush=True)
            if gives_up and REFUSED in out:
                print("  Wine created no process: all rows again, in another workspace", flush=True)
                return None
        found[row] = result
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("prefix", type=Path)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--table", type=Path, help="where to write the table")
    parser.add_argument("--only", default="", help="rows whose command has this text, and needed ones")
    parser.add_argument("--both", action="store_true", help="without links, too")
    parser.add_argument("--keep", action="store_true", help="the workspaces stay")
    args = parser.parse_args()
    prefix = args.prefix.resolve()
    folder = prefix / "drive_c" / "stage" / f"{os.getpid()}" / "R&D 数字 ^ (1)"
    folder.mkdir(parents=True)
    begun = time.monotonic()
    results: dict[Row, dict[bool, str]] = {}
    try:
        system = windows(prefix, folder)
        for links in (True, False)[: 1 + args.both]:
            rows = [row for row in ROWS if (links or row.twice) and (args.only in row.shown or row.needed)]
            for attempt in (1, 2):
                workspace = folder / (("workspace" if links else "ohne Links 100%") + " again" * (attempt - 1))
                checkout(args.repository.resolve(), workspace, links=links)
                print(f"  [{time.monotonic() - begun:.0f} s] {workspace.name}", flush=True)
                found = verdicts(system, rows, workspace, links=links, gives_up=attempt == 1)
                if found is not None:
                    break
            for row, result in (found or {}).items():
                results.setdefault(row, {})[links] = result
    finally:
        subprocess.run(["wineserver", "-k"], env={**os.environ, "WINEPREFIX": str(prefix)}, check=False)
        if not args.keep:
            shutil.rmtree(folder.parent, ignore_errors=True)
    bad = sum(result != "ok" for found in results.values() for result in found.values())
    lines = [
        f"| `{row.shown}` | {row.code} | {found.get(True, '')} | {found.get(False, '')} |\n"
        for row, found in results.items()
    ]
    if args.table:
        args.table.write_text(TABLE_HEAD + "".join(lines), encoding="utf-8")
    print(f"  [{time.monotonic() - begun:.0f} s] {len(lines)} commands, {bad} verdicts that differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
