"""Write the workspace's extension for VS Code as a VSIX: a file of the release.

    python packages/innerloop/tools/vsix.py FILE

The same sources make the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from innerloop import __version__
from innerloop.scaffold import vsix, workspace_template
from innerloop.scaffold.workspace_template import EXTENSION

ROOT = Path(__file__).resolve().parents[3]


def content(root: Path = ROOT) -> bytes:
    paths = sorted(path for path in (root / EXTENSION).rglob("*") if path.is_file())
    names = [path.relative_to(root).as_posix() for path in paths]
    template = {name: workspace_template.read(root, name) for name in names}
    return vsix.pack(template, __version__)


def main(words: Sequence[str]) -> int:
    if len(words) != 1:
        print("usage: vsix.py FILE", file=sys.stderr)
        return 2
    Path(words[0]).write_bytes(content())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
