"""The lock for machines without a GPU, `requirements.cpu.txt` beside `requirements.txt`. Pure.

It pins the same packages at the same versions, with PyTorch's builds for the CPU: these lack CUDA's
libraries, which are gigabytes. Their versions end in a local part (`2.14.1+cpu`).

Sources: PyTorch's "Get Started"; uv's documentation, "Using uv with PyTorch".
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Sequence

from ..util.late_patterns import late_pattern
from ..util.wheels import normalized, packages
from . import requirements
from .dockerfiles import dockerfile
from .dockerfiles.dockerfile import Dockerfile

# PyTorch's own index of builds for the CPU.
INDEX = "https://download.pytorch.org/whl/cpu"
# Packages whose build must be that of torch.
_FAMILY = ("torch", "torchaudio", "torchvision")
_COPY = late_pattern(
    r"(?i)(?P<head>(?:[ \t]*(?:#.*)?\n)*[ \t]*(?:COPY|ADD)[ \t]+(?:--(?:chown|chmod)=\S+[ \t]+)*)"
    r"(?P<source>[\w./-]+)[ \t]+(?P<target>[\w./${}-]+)(?P<end>\s*)"
)


def name_of(lock: str) -> str:
    """The path of the lock for the CPU beside a lock."""
    return f"{lock.removesuffix('.txt')}.cpu.txt"


def is_one(path: str) -> bool:
    return path.endswith(".cpu.txt")


def family(lock: str) -> tuple[str, ...]:
    """The requirements of PyTorch's packages that a lock pins ("torch==2.14.1"), sorted."""
    found = {
        f"{package.name}=={_public(package.version)}"
        for package in packages(lock)
        if normalized(package.name) in _FAMILY
    }
    return tuple(sorted(found))


def with_index(lock: str, index: str) -> str:
    """The text of a lock that tells an installer where the builds for the CPU are."""
    head = re.match(r"(?:#.*\n)*", lock)
    at = head.end() if head else 0
    return f"{lock[:at]}--extra-index-url {index}\n{lock[at:]}"


def pins(lock: str) -> str:
    """What a full lock pins, as a requirements file, without the libraries that only CUDA needs.

    What PyTorch needs for the CPU, its own metadata says.
    """
    lines = []
    for package in packages(lock):
        if not re.match(r"(nvidia-|cuda-|triton|pytorch-triton)", package.name):
            marker = f" ; {package.marker}" if package.marker else ""
            lines.append(f"{package.name}=={package.version}{marker}")
    return "\n".join([*lines, ""])


def project(family: Sequence[str], index: str) -> str:
    """A pyproject.toml that has PyTorch's packages from one index, and nothing else from it."""
    names = [pin.partition("==")[0] for pin in family]
    lines = [
        "[project]",
        'name = "torch-cpu"',
        'version = "0"',
        'requires-python = ">=3.10"',
        f"dependencies = {json.dumps(list(family))}",
        "[tool.uv.sources]",
        *(f'{name} = {{index = "torch-cpu"}}' for name in dict.fromkeys(names)),
        "[[tool.uv.index]]",
        'name = "torch-cpu"',
        f"url = {json.dumps(index)}",
        "explicit = true",
        "",
    ]
    return "\n".join(lines)


def outdated(source: str | None, lock: str, cpu: str) -> str:
    """Why the lock for the CPU does not fit, as a phrase; "" if it does.

    `source` is the requirements file that both are compiled from, `lock` the full lock.
    """
    pinned: dict[str, set[str]] = {}
    for package in packages(lock):
        pinned.setdefault(normalized(package.name), set()).add(_public(package.version))
    for package in packages(cpu):
        versions = pinned.get(normalized(package.name))
        if versions and _public(package.version) not in versions:
            return f"it pins {package.name} {package.version}, and the lock {min(versions)}"
    missing = set(_names(family(lock))) - {normalized(package.name) for package in packages(cpu)}
    if missing:
        return f"it lacks {min(missing)}"
    for one in requirements.unlocked(source or "", cpu):
        return f"{one.requirement} is not in it"
    return ""


def dockerfile_with(parsed: Dockerfile, lock: str) -> Dockerfile | None:
    """The Dockerfile that copies the lock for the CPU under the name of the other.

    `lock` is relative to the folder of the build. None where no instruction copies that file alone: the
    Dockerfile then installs what it says. The lines stay where they are.
    """
    changed = False
    texts = [parsed.head]
    at = parsed.head.count("\n") + 1
    for one in (one for stage in parsed.stages for one in stage.instructions):
        match = _COPY.fullmatch(one.text)
        texts.append("\n" * (one.line - at))  # instead of comments
        at = one.line + one.text.count("\n")
        if match and posixpath.normpath(match["source"]) == posixpath.normpath(lock):
            target = match["target"]
            if target.endswith("/") or target == ".":
                target = posixpath.join(target, posixpath.basename(lock))
            texts.append(f"{match['head']}{name_of(match['source'])} {target}{match['end']}")
            changed = True
        else:
            texts.append(one.text)
    return dockerfile.parse("".join(texts), parsed.name) if changed else None


def _public(version: str) -> str:
    return version.partition("+")[0]


def _names(pins: tuple[str, ...]) -> list[str]:
    return [normalized(pin.partition("==")[0]) for pin in pins]
