"""What .dockerignore keeps out, pattern by pattern; tests/docker holds it against the engine."""

from __future__ import annotations

import pytest

from innerloop.model.dockerfiles.dockerignore import matcher


@pytest.mark.parametrize(
    ("text", "out", "kept"),
    [
        ("", [], ["a", "a/b"]),
        ("a", ["a", "a/b/c"], ["ab", "b/a"]),
        ("/a/", ["a", "a/b"], ["b/a"]),
        ("*.bin", ["x.bin", ".bin"], ["a/x.bin", "x.binary"]),
        ("**/*.bin", ["x.bin", "a/b/x.bin"], ["x.bin.txt"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b"]),
        ("a/*/c", ["a/b/c", "a/b/c/d"], ["a/b/b/c"]),
        ("?.txt", ["a.txt"], ["ab.txt", "a/.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"], ["c.txt"]),
        ("[^a].txt", ["b.txt"], ["a.txt"]),
        ("*\n!requirements*.txt", ["x", "a/b"], ["requirements.txt", "requirements-dev.txt"]),
        ("*\n!a\na/b", ["a/b", "c"], ["a", "a/c"]),
        ("# a\n\n  b  ", ["b"], ["a"]),
        ("./a/../b", ["b"], ["a"]),
        ("**", ["x", "a/b"], ["Dockerfile", ".dockerignore"]),
        ("a+b (1).txt", ["a+b (1).txt"], ["aab (1).txt"]),
    ],
)
def test_patterns(text: str, out: list[str], kept: list[str]) -> None:
    ignored = matcher(text)
    assert [name for name in out if not ignored(name)] == []
    assert [name for name in kept if ignored(name)] == []
