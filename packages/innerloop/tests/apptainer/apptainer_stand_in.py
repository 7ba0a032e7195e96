"""A stand-in for Apptainer, which Debian does not pack: a program for the tests' PATH. Needs root.

It takes the real options alone and in their real forms, and does what they mean by the same means:
namespaces, bind mounts and a changed root. An image file names a folder with the files of an image
that this machine's Docker has. What it does not do: SIF, fakeroot, pulls, users of their own.

Source: cmd/internal/cli/action_flags.go, pkg/build/types/parser/deffile.go,
internal/pkg/build/files/copy.go and the action script of Apptainer 1.x.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

STORE = Path(os.environ.get("STAND_IN_STORE", "/tmp/apptainer-stand-in"))
VERSION = os.environ.get("STAND_IN_VERSION", "apptainer version 1.3.4")

FLAGS = {
    "-e": "cleanenv", "-c": "contain", "-C": "containall", "-f": "fakeroot", "-F": "force",
    "-s": "sandbox", "-p": "pid", "-i": "ipc", "-u": "userns", "-w": "writable",
    **{f"--{name}": name for name in (
        "cleanenv", "contain", "containall", "compat", "fakeroot", "force", "sandbox", "pid", "ipc",
        "userns", "writable", "writable-tmpfs", "no-home", "no-init", "no-eval", "no-umask", "nv",
        "rocm", "notest", "disable-cache",
    )},
}  # fmt: skip
VALUES = {
    "-B": "bind", "-H": "home", "-W": "workdir", "-o": "overlay", "-S": "scratch",
    **{f"--{name}": name for name in (
        "bind", "mount", "home", "workdir", "pwd", "cwd", "env", "env-file", "overlay", "scratch",
        "no-mount",
    )},
}  # fmt: skip
OF_BUILD = {
    "fakeroot",
    "force",
    "sandbox",
    "notest",
    "disable-cache",
    "bind",
    "mount",
    "nv",
    "rocm",
}
_NEWNS, _NEWIPC, _NEWPID = 0x00020000, 0x08000000, 0x20000000
LIBC = ctypes.CDLL(None, use_errno=True)


def fatal(text: str) -> NoReturn:
    print(f"FATAL:   {text}", file=sys.stderr, flush=True)
    sys.exit(255)


def main() -> None:
    words = sys.argv[1:]
    if log := os.environ.get("STAND_IN_LOG"):
        names = sorted(n for n in os.environ if n.startswith(("APPTAINER", "SINGULARITY")))
        with open(log, "a", encoding="utf-8") as file:
            file.write(json.dumps({"argv": words, "variables": names}) + "\n")
    if words == ["--version"]:
        print(VERSION)
        return
    verb, options, rest = words[0] if words else "", *parsed(words)
    if verb == "exec" and len(rest) >= 2:
        execute(options, rest[0], rest[1:])
    elif verb == "build" and len(rest) == 2:
        build(Path(rest[0]), rest[1])
    else:
        print(f'Error for command "{verb}": wrong arguments', file=sys.stderr)
        sys.exit(1)


def parsed(words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options up to the first word that is none, and what follows."""
    options: dict[str, list[str]] = {}
    at = 1
    while at < len(words) and words[at].startswith("-"):
        word, equals, value = words[at].partition("=")
        if word in FLAGS and not equals:
            name = FLAGS[word]
        elif word in VALUES:
            name = VALUES[word]
            if not equals:
                at += 1
                value = words[at]
        else:
            unknown(words[0], word)
        if words[0] == "build" and name not in OF_BUILD:
            unknown(words[0], word)
        if name == "no-eval" and VERSION.startswith("singularity version 3.8"):
            unknown(words[0], word)
        options.setdefault(name, []).append(value)
        at += 1
    return options, words[at:]


def unknown(verb: str, word: str) -> NoReturn:
    print(f'Error for command "{verb}": unknown flag: {word}', file=sys.stderr)
    sys.exit(1)


# --- exec


def binds(options: dict[str, list[str]]) -> Iterator[tuple[str, str, bool]]:
    for text in options.get("bind", []):
        for spec in text.split(","):
            source, *rest = spec.split(":")
            if len(rest) > 2:
                fatal(f"while parsing bind path {spec}")
            yield source, rest[0] if rest else source, rest[1:] == ["ro"]
    for text in options.get("mount", []):
        (fields,) = csv.reader([text])
        values = dict(field.partition("=")[::2] for field in fields)
        if set(values) - {"type", "source", "destination", "ro"} or values.get("type") != "bind":
            fatal(f"invalid mount specification {text}")
        yield values["source"], values["destination"], "ro" in values


def execute(options: dict[str, list[str]], image: str, command: list[str]) -> None:
    try:
        rootfs = json.loads(Path(image).read_text(encoding="utf-8"))["rootfs"]
    except (OSError, ValueError, KeyError):
        fatal(f"while opening image {image}: no such image")
    if not {"containall", "cleanenv", "no-home"} <= set(options):
        fatal("this stand-in knows containers of their own alone")
    mounts = list(binds(options))
    for source, _, _ in mounts:
        if not os.path.exists(source):
            fatal(f"container creation failed: mount source {source} doesn't exist")
    injected = {
        name.partition("ENV_")[2]: text
        for name, text in os.environ.items()
        if name.startswith(("APPTAINERENV_", "SINGULARITYENV_"))
    }
    cwd = (options.get("pwd") or options.get("cwd") or ["/"])[-1]
    script = entry_script(injected, evaluates="no-eval" not in options)
    end = in_namespaces(
        lambda: container_root(rootfs, mounts, (options.get("workdir") or [""])[-1]),
        ["/bin/sh", "-c", script, "sh", *command],
        cwd,
    )
    finish(end)


def entry_script(injected: dict[str, str], *, evaluates: bool) -> str:
    lines = ['for one in /.singularity.d/env/*.sh; do [ ! -f "$one" ] || . "$one"; done']
    for name, text in injected.items():
        if evaluates:
            escaped = text.replace('"', '\\"')
            lines.append(f'export {name}="{escaped}"')
        else:
            lines.append(f"export {name}={shlex.quote(text)}")
    return "\n".join([*lines, "unset one", 'exec "$@"'])


def container_root(rootfs: str, mounts: list[tuple[str, str, bool]], workdir: str) -> str:
    """The root of a container: the image below what is mounted, and nothing of it can be changed."""
    session = "/mnt"
    mount("-t", "tmpfs", "tmpfs", session)
    for name in ("upper", "work", "root"):
        os.mkdir(f"{session}/{name}")
    layers = f"lowerdir={rootfs},upperdir={session}/upper,workdir={session}/work"
    root = f"{session}/root"
    mount("-t", "overlay", "overlay", "-o", layers, root)
    targets = {"/proc": "", "/dev": "/dev", "/sys": "/sys"}
    for target, source in targets.items():
        os.makedirs(root + target, exist_ok=True)
        mount("-t", "proc", "proc", root + target) if not source else bind(source, root + target)
    mount("-t", "tmpfs", "shm", f"{root}/dev/shm")
    for name in ("tmp", "var/tmp"):
        os.makedirs(f"{root}/{name}", exist_ok=True)
        if workdir:
            folder = f"{workdir}/{name.replace('/', '_')}"
            os.makedirs(folder, exist_ok=True)
            bind(folder, f"{root}/{name}")
        else:
            mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", f"{root}/{name}")
    points = []
    for source, target, read_only in mounts:
        place = os.path.normpath(root + target)
        if os.path.isdir(source):
            os.makedirs(place, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if not os.path.lexists(place):
                Path(place).touch()
        bind(source, place)
        points += [place] if read_only else []
    for place in points:
        mount("-o", "remount,bind,ro", place)
    for name in ("resolv.conf", "hosts"):
        if os.path.exists(f"{root}/etc/{name}"):
            bind(f"/etc/{name}", f"{root}/etc/{name}")
    mount("-o", "remount,ro", root)
    return root


def mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode != 0:
        fatal(f"container creation failed: mount {' '.join(words)}: {done.stderr.strip()}")


def bind(source: str, target: str) -> None:
    mount("--bind", source, target)


def in_namespaces(root: Any, argv: list[str], cwd: str) -> int:
    """Run a program below a root as a process tree of its own. Its wait status."""
    if LIBC.unshare(_NEWNS | _NEWIPC) != 0:
        fatal("Failed to create namespaces: needs root")
    mount("--make-rprivate", "/")
    reader, writer = os.pipe()
    LIBC.unshare(_NEWPID)  # the next process is its first one
    pid = os.fork()
    if pid == 0:
        LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it does not outlive its starter
        as_init(root(), argv, cwd, writer)
    os.close(writer)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: os.kill(pid, n))
    status = b""
    while chunk := os.read(reader, 100):
        status += chunk
    os.waitpid(pid, 0)
    return int(status) if status else 255 << 8


def as_init(root: str, argv: list[str], cwd: str, writer: int) -> NoReturn:
    """The first process: it passes signals on, and ends with its program."""
    program = os.fork()
    if program == 0:
        os.chroot(root)
        try:
            os.chdir(cwd)
        except OSError as error:
            print(f"FATAL:   chdir {cwd}: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(255)
        env = {"HOME": "/root", "TERM": "dumb", "APPTAINER_CONTAINER": "image"}
        env["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        extra = {
            name: os.environ[f"_POST_{name}"] for name in POST if f"_POST_{name}" in os.environ
        }
        os.execve(argv[0], argv, {**env, **extra})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: os.kill(program, n))
    while True:
        found, status = os.wait()
        if found == program:
            os.write(writer, str(status).encode())
            os._exit(0)


def finish(status: int) -> NoReturn:
    """End as the program did: with its exit code, or by its signal."""
    if os.WIFSIGNALED(status):
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    sys.exit(os.waitstatus_to_exitcode(status))


# --- build

POST = ("APPTAINER_ENVIRONMENT", "SINGULARITY_ENVIRONMENT")
SECTIONS = {"help", "setup", "files", "labels", "environment", "pre", "post", "runscript", "test",
            "startscript", "arguments"}  # fmt: skip
HEADERS = {"bootstrap", "from", "stage", "registry", "namespace"}


def build(target: Path, source: str) -> None:
    if target.exists():
        fatal(
            f"build target '{target.name}' already exists. Use --force if you want to overwrite it"
        )
    print("INFO:    Starting build...", file=sys.stderr, flush=True)
    if source.startswith("docker://"):
        rootfs = str(base_of(source.removeprefix("docker://")))
    elif source.startswith("docker-archive:"):
        loaded = docker("load", "--input", source.removeprefix("docker-archive:"))
        rootfs = str(base_of(re.split(r"Loaded image(?: ID)?: ", loaded)[-1].strip()))
    else:
        rootfs = by_definition(Path(source).read_text(encoding="utf-8"))
    target.write_text(json.dumps({"rootfs": rootfs}), encoding="utf-8")
    print(f"INFO:    Build complete: {target}", file=sys.stderr, flush=True)


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    if done.returncode != 0:
        fatal(f"while performing build: conveyor failed: {done.stderr.strip()}: manifest unknown")
    return done.stdout.strip()


def base_of(image: str) -> Path:
    """The files of an image that Docker has, with its variables where Apptainer keeps them."""
    id_, variables = docker(
        "image", "inspect", "--format", "{{.Id}} {{json .Config.Env}}", image
    ).split(" ", 1)
    folder = STORE / id_.removeprefix("sha256:")[:16]
    if not folder.is_dir():
        staged = Path(f"{folder}.{os.getpid()}")
        staged.mkdir(parents=True)
        container = docker("create", image, "true")
        try:
            exported = subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE)
            subprocess.run(["tar", "-xf", "-", "-C", staged], stdin=exported.stdout, check=True)
        finally:
            docker("rm", container)
        env = staged / ".singularity.d/env"
        env.mkdir(parents=True)
        lines = [f"export {n}={shlex.quote(v)}" for n, _, v in
                 (one.partition("=") for one in json.loads(variables) or [])]  # fmt: skip
        (env / "10-docker2singularity.sh").write_text("\n".join(["#!/bin/sh", *lines, ""]))
        staged.rename(folder)
    return folder


def by_definition(text: str) -> str:
    """The folders of the last stage's files as overlayfs takes them, the uppermost first."""
    if LIBC.unshare(_NEWNS) != 0:
        fatal("Failed to create namespaces: needs root")
    mount("--make-rprivate", "/")
    if re.search(r"\{\{\s*\w+\s*\}\}", text):
        fatal("build var in the definition file is not defined")
    stages: dict[str, Path] = {}
    rootfs = ""
    for part in re.split(r"(?mi)^(?=bootstrap:)", text):
        if part.strip():
            header, sections = sections_of(part)
            folder = stage(header, sections, stages)
            stages[header.get("stage", "")] = folder
            rootfs = f"{folder.with_suffix('')}:{base_of(header['from'])}"
    return rootfs


def sections_of(part: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    header: dict[str, str] = {}
    sections: list[tuple[str, str]] = []
    for line in part.splitlines():
        if line.split()[:1] and line.split()[0].startswith("%"):
            title = line.strip().lstrip("%")
            if title.split()[0] not in SECTIONS:
                fatal(f"invalid section(s) specified: {title}")
            sections.append((title, ""))
        elif sections:
            sections[-1] = (sections[-1][0], f"{sections[-1][1]}{line}\n")
        elif line.split("#")[0].strip():
            key, colon, value = line.split("#")[0].partition(":")
            if not colon or key.strip().lower() not in HEADERS:
                fatal(f"invalid header keyword found: {key}")
            header[key.strip().lower()] = value.strip()
    if header.get("bootstrap") != "docker":
        fatal("this stand-in knows images of Docker alone")
    return header, sections


def stage(header: dict[str, str], sections: list[tuple[str, str]], above: dict[str, Path]) -> Path:
    folder = on_top_of(base_of(header["from"]), STORE / f"build-{os.getpid()}-{len(above)}")
    (folder / ".singularity.d/env/91-environment.sh").write_text("#!/bin/sh\n")
    for title, body in sections:
        if title.split()[0] == "files":
            origin = title.partition(" from ")[2].strip()
            for line in filter(None, map(str.strip, body.splitlines())):
                source, target = (word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line))
                copy(source, target, folder, above[origin] if origin else None)
    script = "".join(body for title, body in sections if title == "post")
    if script:
        (folder / ".post.script").write_text(script)
        post(folder)
        (folder / ".post.script").unlink()
    return folder


def on_top_of(base: Path, layer: Path) -> Path:
    """The files of a base with changes of their own, which go to the folder `layer`.

    They are seen in the folder that is returned, by this program alone.
    """
    seen = Path(f"{layer}.seen")
    work = Path(f"{layer}.work")
    for folder in (layer, work, seen):
        folder.mkdir()
    layers = f"lowerdir={base},upperdir={layer},workdir={work}"
    mount("-t", "overlay", "overlay", "-o", layers, str(seen))
    return seen


def copy(source: str, target: str, rootfs: Path, origin: Path | None) -> None:
    paths = glob.glob(str(origin) + source if origin else source)
    if not paths:
        fatal(f"while copying files: no source files found matching: {source}")
    for path in paths:
        place = Path(f"{rootfs}{target}")
        (place if target.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if origin is None:
            subprocess.run(["cp", "-fLr", path, place], check=True)
            continue
        if place.is_dir():
            place = place / os.path.basename(path)
        real = Path(path).resolve()
        if real.is_dir():
            shutil.copytree(real, place, symlinks=True)
        else:
            shutil.copy2(real, place)


def post(folder: Path) -> None:
    def root() -> str:
        for name in ("proc", "dev"):
            (folder / name).mkdir(exist_ok=True)
        mount("-t", "proc", "proc", f"{folder}/proc")
        bind("/dev", f"{folder}/dev")
        bind("/etc/resolv.conf", f"{folder}/etc/resolv.conf")
        return str(folder)

    print("INFO:    Running post scriptlet", file=sys.stderr, flush=True)
    for name in POST:
        os.environ[f"_POST_{name}"] = "/.singularity.d/env/91-environment.sh"
    script = entry_script({}, evaluates=True)
    pid = os.fork()  # the namespaces are of this step alone
    if pid == 0:
        words = ["/bin/sh", "-c", script, "sh", "/bin/sh", "-ex", "/.post.script"]
        finish(in_namespaces(root, words, "/"))
    _, status = os.waitpid(pid, 0)
    if status != 0:
        code = os.waitstatus_to_exitcode(status)
        fatal(f"While performing build: while running engine: exit status {code}")


if __name__ == "__main__":
    main()
