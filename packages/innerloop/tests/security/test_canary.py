"""Canaries: secrets laid everywhere, every command run, and all that it wrote searched for them."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from innerloop.cli.command_table import BY_NAME
from innerloop.util.cache_folder import cache_folder
from tests.support import TRACEBACK, Workspace, docker

CANARIES = {
    name: f"canary{number}{name}Zq7"
    for number, name in enumerate(
        ("proxy", "index", "netrc", "variable", "connection", "input", "option", "job", "remote",
         "dotenv", "key", "config", "login"), 10,
    )
}  # fmt: skip
# Of a form that says by itself what it is.
SIGNATURE = "canarySignature" + "Zq7" * 12
TOKEN = "ghp_" + "canaryToken" + "Zq7" * 8 + "a"
ALL = {**CANARIES, "signature": SIGNATURE, "token": TOKEN}

# Prints all that it knows, in pieces as well: a record must not keep what a program lets out.
DUMP = """
import os, sys, json
print(dict(os.environ)); print(json.dumps(dict(os.environ))); print(sys.argv)
for name, value in os.environ.items():
    if "canary" in value:
        sys.stdout.write(value[:9]); sys.stdout.flush(); sys.stdout.write(value[9:] + "\\n")
sys.stdout.write("x" * 65530 + os.environ.get("HF_TOKEN", "") + "\\n")
if "--fail" in sys.argv:
    raise SystemExit(f"failed with {os.environ['HF_TOKEN']}")
"""
JOB = f"""command: python train.py --key ${{{{inputs.api_key}}}}
inputs: {{api_key: none}}
environment_variables: {{SERVICE_PASSWORD: {CANARIES["job"]}}}
"""
FETCH = f"""command: cat ${{{{inputs.rows}}}}
code: .
environment: {{image: python:3.11-slim-bookworm}}
inputs:
  rows: {{type: uri_file, path: "https://account.blob.core.windows.net/c/x.csv?sv=1&sig={SIGNATURE}"}}
"""
SET = f"inputs.api_key={CANARIES['input']}"
ARGUMENTS = ("--", "--auth-token", CANARIES["option"])

# Every command, each at least in one form. Those that need a service end with an error, whose text
# is searched as well.
FORMS: dict[str, list[tuple[str, ...]]] = {
    "list": [("list",), ("list", "--json")],
    "sync": [("sync",)],
    "new": [("new", "second")],
    "add": [("add", "second", "six"), ("add", "line", "six")],
    "lock": [("lock", "second"), ("lock", "line", "--torch", "cpu")],
    "rename": [("rename", "second", "third")],
    "share": [("share", "nothing.py", "--with", "line")],
    "init": [("init", "elsewhere", "--wheel", "none.whl")],
    "owners": [("owners",), ("owners", "--json")],
    "upgrade": [("upgrade", "--dry-run"), ("upgrade", "--check"), ("upgrade", "--to", "none.whl")],
    "vendor": [("vendor",), ("vendor", "--tool-only")],
    "leave": [("leave", "--dry-run")],
    "check": [("check",), ("check", "--json")],
    "format": [("format", "--check")],
    "run": [
        ("run", "line", "--backend", "venv", "--set", SET, *ARGUMENTS),
        ("run", "line", "--backend", "venv", "--set", SET, *ARGUMENTS, "--fail"),
        ("run", "line", "--dry-run", "--json", "--set", SET, *ARGUMENTS),
        ("run", "line", "--dry-run", "--set", SET, *ARGUMENTS),
        ("run", "line", "--backend", "docker", "--dry-run", "--set", SET),
        ("run", "jobs/fetch.yml", "--backend", "venv"),
        ("run", "jobs/fetch.yml", "--dry-run"),
    ],
    "test": [("test", "line", "--backend", "venv")],
    "notebook": [("notebook", "line", "--dry-run")],
    "terminal": [("terminal", "line", "--backend", "venv", "--", "true")],
    "jupyter": [("jupyter", "line", "--dry-run", "--json")],
    "build": [("build", "line")],
    "image": [("image", "line")],
    "up": [("up", "line")],
    "exec": [("exec", "line", "--", "env")],
    "open": [("open", "line")],
    "down": [("down", "line")],
    "outdated": [("outdated",)],
    "serve": [("serve", "line", "--dry-run")],
    "invoke": [("invoke", "line", "--data", "{}")],
    "submit": [
        ("submit", "line", "--dry-run", "--set", SET),
        ("submit", "line", "--dry-run", "--json", "--set", SET),
        ("submit", "line", "--set", SET),
        ("submit", "jobs/fetch.yml", "--dry-run"),
    ],
    "status": [("status",)],
    "logs": [("logs",)],
    "cancel": [("cancel",)],
    "download": [("download",)],
    "data": [("data", "list")],
    "deploy": [("deploy", "line")],
    "endpoint": [("endpoint", "status", "line"), ("endpoint", "keys", "line")],
    "runs": [
        ("runs",),
        ("runs", "--json"),
        ("runs", "--page"),
        ("runs", "--csv"),
        ("runs", "diff", "2", "2"),
    ],
    "tensorboard": [("tensorboard",)],
    "mlflow": [("mlflow",)],
    "parity": [("parity", "line"), ("parity", "line", "--json")],
    "doctor": [("doctor",), ("doctor", "--json")],
    "clean": [("clean", "--dry-run")],
    "completion": [("completion", "bash")],
    "complete": [
        ("complete", "--stdin", "src/line/azure-ml-job.yaml", "--at", "1:1", "--json"),
        ("complete", "--stdin", "src/line/azure-ml-job.yaml"),
    ],
    "help": [("help",), ("help", "run")],
    "menu": [("menu",)],
    "verify": [("verify", "--only", "check")],
    "remove": [("remove", "third", "--yes")],
}

# Where a canary may be, each with the reason.
ALLOWED = {
    ".vscode/launch.json": ("job", "F5 gives the program the variables of the job file"),
    ".innerloop/state.json": ("job", "the generated launch.json as it was"),
    "/launch.json": ("job", "the removed experiment's part of launch.json"),
    "/changes.patch": ("job", "the job file itself, in which somebody wrote it, and launch.json"),
}
# The program's own output, which the terminal shows as it is.
SHOWS_THE_PROGRAM = {"run", "test", "terminal"}


@dataclass(frozen=True)
class Planted:
    """A workspace with canaries; `files` are those that were laid, where they may be."""

    workspace: Workspace
    folders: tuple[Path, ...]
    files: frozenset[Path]


def test_every_command_is_tried() -> None:
    # The answers of `mcp` are what the other commands print.
    assert set(FORMS) == set(BY_NAME) - {"mcp"}


@pytest.fixture
def planted(workspace: Workspace, tmp_path: Path) -> Iterator[Planted]:
    root, home, cache = workspace.root, tmp_path / "home", tmp_path / "cache"
    workspace.add("line", DUMP, job=JOB)
    laid = [
        workspace.root / "src/line/azure-ml-job.yaml",
        workspace.write("jobs/fetch.yml", FETCH),
        workspace.write("src/line/test_line.py", "def test_one():\n    pass\n"),
        workspace.write("src/line/deploy_key", f"-----BEGIN PRIVATE KEY-----\n{CANARIES['key']}\n"),
        workspace.write("src/line/id_rsa", CANARIES["key"]),
        workspace.write("src/line/.env", f"PASSWORD={CANARIES['dotenv']}\n"),
        workspace.write("src/line/config.ini", f"a = {CANARIES['config']}\ntoken = {TOKEN}\n"),
    ]
    (root / "src/line/id_rsa").chmod(0o600)
    for argv in (
        ("init", "-q"),
        ("add", "src/line/train.py", "scripts"),
        ("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "one"),
        ("remote", "add", "origin", f"https://ada:{CANARIES['remote']}@git.corp/line.git"),
    ):
        subprocess.run(["git", "-C", str(root), *argv], check=True)
    laid.append(root / ".git/config")
    home.mkdir()
    (home / ".netrc").write_text(f"machine index.corp login ada password {CANARIES['netrc']}\n")
    (home / ".netrc").chmod(0o600)
    (home / ".ssh").mkdir()
    (home / ".ssh/id_rsa").write_text(CANARIES["key"])
    laid += [home / ".netrc", home / ".ssh/id_rsa"]
    cache.mkdir()
    (cache_folder() / "envs").mkdir(parents=True, exist_ok=True)
    for name in ("tool", "envs"):  # the environment of the formatters is made, and fails
        (cache / name).symlink_to(cache_folder() / name)
    (tmp_path / "tmp").mkdir()
    workspace.env |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),  # uv
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "INNERLOOP_CACHE": str(cache),
        "TMPDIR": str(tmp_path / "tmp"),
        "HTTPS_PROXY": f"http://ada:{CANARIES['proxy']}@127.0.0.1:9",
        "PIP_INDEX_URL": f"http://ada:{CANARIES['index']}@127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "http://index.corp/simple",
        "PIP_RETRIES": "0",
        "PIP_TIMEOUT": "1",
        "UV_HTTP_RETRIES": "0",
        "UV_HTTP_TIMEOUT": "1",
        "HF_TOKEN": CANARIES["variable"],
        "STORAGE_CONNECTION_STRING": f"Endpoint=sb://x;Key={CANARIES['connection']}",
        "DATABASE_URL": f"postgres://ada:{CANARIES['login']}@db.corp/x",
    }
    yield Planted(workspace, (root, home, cache, tmp_path / "tmp"), frozenset(laid))


def forms_of(canary: str) -> set[bytes]:
    """As it is, and as a part of something that is encoded in base64, at each of three offsets."""
    return {
        canary.encode(),
        *(
            b64encode(b"x" * offset + canary.encode())[4 if offset else 0 : -4]
            for offset in range(3)
        ),
    }


def found_in(text: bytes) -> set[str]:
    return {name for name, canary in ALL.items() if any(form in text for form in forms_of(canary))}


def leaks(planted: Planted) -> dict[str, set[str]]:
    """File -> the canaries in it, but for those that were laid there."""
    result = {}
    for folder in planted.folders:
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name != "objects"]
            for path in (Path(parent, name) for name in names):
                if path in planted.files or path.is_symlink() or not path.is_file():
                    continue
                allowed = {
                    canary for end, (canary, _) in ALLOWED.items() if path.as_posix().endswith(end)
                }
                if found := found_in(path.read_bytes()) - allowed:
                    result[str(path)] = found
    return result


@pytest.mark.skipif(sys.platform == "win32", reason="the folders of POSIX")
def test_no_command_lets_a_secret_out(planted: Planted) -> None:
    workspace = planted.workspace
    env = {"DOCKER_HOST": "tcp://127.0.0.1:9", "CI": "1"}
    shown: dict[str, set[str]] = {}
    traces = []
    for name, forms in FORMS.items():
        for words in forms:
            answer = workspace.loop(*words, env=env, timeout=120)
            out = "" if name in SHOWS_THE_PROGRAM and "--dry-run" not in words else answer.out
            if found := found_in((out + own_lines(answer.err)).encode()):
                shown[" ".join(words)] = found
            if TRACEBACK in own_lines(answer.err):
                traces.append((words, answer.err))
    assert shown == {}
    assert traces == []
    assert leaks(planted) == {}
    log, *_ = (workspace.root / "outputs/line").glob("*/.run/log.txt")
    assert "HF_TOKEN" in log.read_text(), "the dump of the environment is in the log"
    patches = list((workspace.root / "outputs/line").glob("*/.run/changes.patch"))
    assert patches and all("test_one" in patch.read_text() for patch in patches)


def own_lines(text: str) -> str:
    """What the tool printed to stderr: without the end of the program itself."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("failed with "))


@pytest.mark.docker
def test_no_image_and_no_container_keeps_a_secret(planted: Planted) -> None:
    workspace = planted.workspace
    dockerfile = "FROM python:3.11-slim-bookworm\nCOPY . /opt/environment\nRUN echo built\n"
    workspace.write("src/line/environment/Dockerfile", dockerfile)
    env = {"HOME": os.environ.get("HOME", "/root")}  # the docker client's own settings
    built = workspace.loop("build", "line", env=env)
    assert built.code == 0, built.err
    run = workspace.loop("run", "line", "--backend", "docker", "--set", SET, *ARGUMENTS, env=env)
    assert run.code == 0, run.err
    (image,) = workspace.images()
    told = docker("image", "inspect", image) + docker("image", "history", "--no-trunc", image)
    told += docker("run", "--rm", image, "env")
    assert found_in((told + built.out + built.err + run.err).encode()) == set()
    assert leaks(planted) == {}
