"""Makes the tool's own environment at its first start, and hands over to it.

Runs under whatever Python 3.10 or newer the machine has; needs nothing but the standard library.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import network, process, venvs
from .errors import UserError
from .network import Network

PACKAGE = Path(__file__).resolve().parent.parent
REPOSITORY = PACKAGE.parents[3]


def start(module: str, group: str) -> int:
    """Runs `module.main(arguments)` inside the environment of `scripts/locks/<group>.txt`.

    The exit code of that call; 1 with a sentence when the environment cannot be made, and 130
    on Ctrl-C while it is being made.
    """
    try:
        if _is_inside(group):
            with _few_collections():
                return int(importlib.import_module(module).main(sys.argv[1:]))
        python = str(venvs.python_of(ensure(group)))
        return process.exec_replace([python, "-E", "-s", sys.argv[0], *sys.argv[1:]])
    except UserError as mistake:
        print(f"innerloop: {mistake.message()}", file=sys.stderr)
        return mistake.exit_code
    except KeyboardInterrupt:
        print("innerloop: stopped", file=sys.stderr)
        return 130


@contextmanager
def _few_collections() -> Iterator[None]:
    """Most commands live for a tenth of a second, and an eighth of it went into looking for garbage
    among modules that had just been imported, and once more among all of them at the end."""
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.freeze()


def _is_inside(group: str) -> bool:
    """Whether this interpreter is that environment's. Its key is not computed again: whoever
    started it (the shell lines of `scripts/loop`, or this module) has just done so."""
    here = Path(sys.prefix)
    return here.parent == venvs.cache_folder() / group and (here / "ready").is_file()


def ensure(group: str) -> Path:
    """The environment of `scripts/locks/<group>.txt`, made if it is not there."""
    purposes = {
        "tool": "the tool's own environment",
        "test": "the environment of the tests",
        "debugger": "the debugger",
        "azure": "Azure ML's client",
        "kubernetes": "the Kubernetes client",
        "format": "the environment of the formatters",
    }
    environment = environment_of(group)
    if venvs.is_ready(environment):
        return environment
    return venvs.ensure(
        environment,
        [lock_of(group)],
        python=getattr(sys, "_base_executable", None) or sys.executable,
        purpose=purposes.get(group, f"the environment for {group}"),
        say=lambda line: print(line, file=sys.stderr, flush=True),
        reach=_reach(Path(os.path.abspath(sys.argv[0])).parent.parent),
    )


def _reach(root: Path) -> Network:
    """How packages are reached, `[tool.innerloop] ca` included where this Python can read TOML by
    itself (3.11 and newer; before that SSL_CERT_FILE names the authority)."""
    ca: object = ""
    if sys.version_info >= (3, 11):
        import tomllib

        with suppress(OSError, tomllib.TOMLDecodeError, AttributeError):
            table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
            ca = table.get("tool", {}).get("innerloop", {}).get("ca", "")
    return network.of_machine(os.environ, root=root, ca=ca if isinstance(ca, str) else "")


def lock_of(group: str) -> Path:
    if group == "tool":
        return REPOSITORY / "scripts" / "loop-requirements.txt"
    if group == "test":
        return PACKAGE.parents[1] / "requirements-test.txt"
    return PACKAGE / "locks" / f"{group}.txt"


def environment_of(group: str) -> Path:
    """Keyed by the lock: `scripts/loop` computes the same name with the shell's `cksum`."""
    text = lock_of(group).read_bytes()
    return venvs.cache_folder() / group / f"{cksum(text)}-{len(text)}"


def cksum(data: bytes) -> int:
    """The checksum that POSIX `cksum` prints: a CRC of the data followed by its length.

    Source: POSIX.1-2017, utility cksum (polynomial 0x04C11DB7, most significant bit first).
    """
    length = len(data)
    tail = bytearray()
    while length:
        tail.append(length & 0xFF)
        length >>= 8
    crc = 0
    for byte in data + bytes(tail):
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _TABLE[(crc >> 24) ^ byte]
    return crc ^ 0xFFFFFFFF


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7) & 0xFFFFFFFF if crc & 0x80000000 else crc << 1
        table.append(crc)
    return table


_TABLE = _table()
