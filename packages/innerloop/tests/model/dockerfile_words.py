"""Words with patterns and conditions: `python dockerfile_words.py > dockerfile_words.json` records.

The answers are those of BuildKit 0.13 (the engine 26.1), which is the first that knows patterns: the
words are values of ENV in a Dockerfile that Docker builds. The client must have such an engine. An
empty pattern is left out, since that version crashes on it.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

CORPUS = Path(__file__).with_name("dockerfile_words.json")
# B is "1", and C is not set.
VALUES = ["3.11.2-slim", "x/y/x", "", "a*b?a", "aaa", "[x]+(y)", "a\\b$c"]
PATTERNS = [
    *("*.", "*", "?", "3", "3.1?", "*-*", "*a", "a", "a*", "\\*", "\\?", "[x]", "*/", "\\/", "'x'"),
    *("${B}", "${B:-*.}", "**", ".", "+", "(", "^3", "a$", "\\\\", "x*y", "?*?", "\\a"),
]
REPLACEMENTS = ["", "_", "a\\/b", "&", "${B}", "\\1"]
CONDITIONS = ["-", ":-", "+", ":+", "?", ":?"]

Batch = list[tuple[int, str]]


def words() -> Iterator[str]:
    for pattern in PATTERNS:
        yield from (f"${{A{operator}{pattern}}}" for operator in ("#", "##", "%", "%%"))
        for operator in ("/", "//"):
            yield from (f"${{A{operator}{pattern}/{new}}}" for new in REPLACEMENTS)
    for condition in CONDITIONS:
        for word in ("d", "", "${B}", "${C:-e}"):
            yield f"${{A{condition}{word}}}"
            if "?" not in condition:
                yield f"${{C{condition}{word}}}"
    yield from ("${A#a}${A%a}", "pre${A#*.}post", "${A#'*'}", "${C#a}", "${C/x/y}")


def answers(value: str, batch: Batch) -> dict[int, str | None]:
    """BuildKit's value of each word; None for a word that it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        lines = [f'ENV V{number}="{word}"\n' for number, word in batch]
        text = "FROM scratch\nARG A\nARG B=1\n" + "".join(lines)
        Path(folder, "Dockerfile").write_text(text, encoding="utf-8")
        build = ["docker", "buildx", "build", "-q", "--build-arg", f"A={value}", "-t", "words"]
        if subprocess.run([*build, folder], capture_output=True).returncode == 0:
            look = ["docker", "image", "inspect", "-f", "{{json .Config.Env}}", "words"]
            env = json.loads(subprocess.run(look, capture_output=True, check=True).stdout)
            found = dict(line.split("=", 1) for line in env)
            return {number: found[f"V{number}"] for number, _ in batch}
    if len(batch) == 1:
        return {batch[0][0]: None}
    half = len(batch) // 2
    return {**answers(value, batch[:half]), **answers(value, batch[half:])}


def main() -> None:
    batch = list(enumerate(words()))
    source = random.Random(0)
    rows = []
    for value in VALUES:
        found = answers(value, batch)
        some = [pair for pair in batch if value == VALUES[0] or source.random() < 0.2]
        rows += [[value, word, found[number]] for number, word in some]
    sys.stdout.write("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")


if __name__ == "__main__":
    main()
