"""Write the software bill of materials of a release: CycloneDX 1.6 as JSON, made from the locks.

    python packages/innerloop/tools/sbom.py FILE

It lists the tool and every release that one of its locks pins, with the hashes of the files that the
lock accepts. The same locks give the same bytes: no time, no machine. The Python is one that has
`packaging`, as the environment of requirements-build.txt.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools import locks

# Lock -> why its packages are installed, and CycloneDX's scope of that.
USES: Mapping[str, tuple[str, str]] = {
    "scripts/loop-requirements.txt": ("the tool", "required"),
    "packages/innerloop/src/innerloop/locks/azure.txt": ("Azure ML's client", "optional"),
    "packages/innerloop/src/innerloop/locks/debugger.txt": ("the debugger", "optional"),
    "packages/innerloop/src/innerloop/locks/format.txt": ("the formatters", "optional"),
    "packages/innerloop/src/innerloop/locks/kubernetes.txt": ("the Kubernetes client", "optional"),
    "packages/innerloop/src/innerloop/locks/mcp.txt": ("the MCP server", "optional"),
    "packages/innerloop/src/innerloop/locks/mlflow.txt": ("MLflow's pages", "optional"),
    "packages/innerloop/src/innerloop/locks/pytest.txt": ("pytest", "optional"),
    "packages/innerloop/src/innerloop/locks/sweep.txt": ("the sampling of sweeps", "optional"),
    "packages/innerloop/src/innerloop/locks/tensorboard.txt": ("TensorBoard", "optional"),
    "packages/innerloop/src/innerloop/locks/uv.txt": (
        "uv, which locks and installs packages",
        "optional",
    ),
    "packages/innerloop/requirements-build.txt": ("the build of the wheel", "excluded"),
}
TEMPLATE = "packages/innerloop/src/innerloop/templates/"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://pypi.org/project/innerloop/")


def uses(root: Path = locks.ROOT) -> dict[str, tuple[str, str]]:
    """The locks of a release: those of the tool, and those that a new experiment starts with."""
    templates = {
        path.relative_to(root).as_posix(): ("a new experiment", "optional")
        for path in locks.lock_files(root)
        if path.relative_to(root).as_posix().startswith(TEMPLATE)
    }
    return {**USES, **templates}


def version(root: Path = locks.ROOT) -> str:
    text = (root / "packages/innerloop/src/innerloop/__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if match is None:
        raise locks.LockError("innerloop/__init__.py states no __version__")
    return match[1]


def document(root: Path = locks.ROOT) -> dict[str, Any]:
    """The bill as JSON."""
    entries = [
        (lock, use, scope, entry)
        for lock, (use, scope) in uses(root).items()
        for entry in locks.read(root / lock)
    ]
    tool = f"pkg:pypi/innerloop@{version(root)}"
    components = [_component(release, entries) for release in _releases(entries)]
    required = {_purl(e.name, e.version) for _, _, scope, e in entries if scope == "required"}
    body = {
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": tool,
                "name": "innerloop",
                "version": version(root),
                "purl": tool,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": tool, "dependsOn": sorted(required)}],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(body, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **body,
    }


_Used = tuple[str, str, str, locks.Entry]
_SCOPES = ("required", "optional", "excluded")


def _releases(entries: Iterable[_Used]) -> list[str]:
    return sorted({entry.release for _, _, _, entry in entries})


def _component(release: str, entries: Sequence[_Used]) -> dict[str, Any]:
    """One release. Of several uses the strongest scope counts."""
    own = [used for used in entries if used[3].release == release]
    name, released = own[0][3].name, own[0][3].version
    hashes = sorted({text for *_, entry in own for text in entry.hashes})
    return {
        "type": "library",
        "bom-ref": _purl(name, released),
        "name": name,
        "version": released,
        "scope": min((scope for _, _, scope, _ in own), key=_SCOPES.index),
        "purl": _purl(name, released),
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{name}/{released}/",
                "comment": "the files that the lock accepts",
                "hashes": [
                    {"alg": "SHA-256", "content": text.removeprefix("sha256:")} for text in hashes
                ],
            }
        ],
        "properties": [
            {"name": "innerloop:lock", "value": f"{lock} ({use})"}
            for lock, use in sorted({(lock, use) for lock, use, _, _ in own})
        ],
    }


def _purl(name: str, released: str) -> str:
    return f"pkg:pypi/{name}@{released.replace('+', '%2B')}"


def main(words: Sequence[str]) -> int:
    if len(words) != 1:
        print("usage: sbom.py FILE", file=sys.stderr)
        return 2
    text = json.dumps(document(), indent=2, sort_keys=True) + "\n"
    Path(words[0]).write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
