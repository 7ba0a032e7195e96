r"""What differs on Windows and can be had on any system: waits, exit codes, streams, messages."""

from __future__ import annotations

import ast
import io
import queue
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop import __main__ as start
from innerloop.util import console, files, process, user_shell, windows_processes
from innerloop.util.errors import UserError


def test_children_with_the_number_of_an_ended_parent_are_not_its_own() -> None:
    starts = {1: 10, 2: 20, 3: 5, 4: 0, 5: None}
    pairs = [(2, 1), (3, 1), (4, 1), (5, 1), (2, 5)]
    assert list(windows_processes.children(pairs, lambda pid: starts[pid])) == [(2, 1)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, 0),
        (3, 3),
        (255, 255),
        (0xC000013A, 130),
        (0xC0000005, -1073741819),
        (1 << 31, -(1 << 31)),
    ],
)
def test_exit_code_of_windows_fits_sys_exit(code: int, expected: int) -> None:
    assert process._exit_code(code) == expected


def test_in_slices_calls_again_until_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SLICE", 0.001)
    answers: Iterator[queue.Empty | int] = iter([queue.Empty(), queue.Empty(), 7])

    def wait(left: float | None) -> int:
        assert left is not None and 0 <= left <= 0.001
        answer = next(answers)
        if isinstance(answer, int):
            return answer
        raise answer

    assert process.in_slices(wait, None, queue.Empty) == 7


def test_in_slices_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SLICE", 0.001)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    with pytest.raises(queue.Empty):
        process.in_slices(lambda left: lines.get(timeout=left), 0.01, queue.Empty)


def test_programs_in_slices_give_what_they_give_in_one_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "SLICE", 0.01)
    prints = "import sys; print('\\u6570' * 50_000, end=''); sys.stderr.write('e'); sys.exit(4)"
    done = process.run([sys.executable, "-X", "utf8", "-c", prints])
    assert (done.code, done.out, done.err) == (4, "数" * 50_000, "e")
    lines: list[str] = []
    assert process.follow([sys.executable, "-c", "print('a'); print('b')"], lines.append) == 0
    assert lines == ["a", "b"]
    assert process.run(["sleep", "600"], timeout=0.05).code == 124


def test_run_beyond_its_limit_ends_what_the_program_started(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'new')!r}, 'w').write(str(child.pid))\n"
        f"os.replace({str(tmp_path / 'new')!r}, {str(tmp_path / 'pid')!r})\n"
        "child.wait()\n"
    )
    seconds = 1.0
    while True:  # on a slow machine the program needs longer to start its own
        assert process.run([sys.executable, "-c", script], timeout=seconds).code == 124
        if (tmp_path / "pid").exists():
            break
        seconds *= 2
    from innerloop.util import process_identity

    child = process_identity.of(int((tmp_path / "pid").read_text()))
    assert not child.start or process_identity._ended_within(child, 60)


def test_write_utf8_gives_letters_of_any_script(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="cp1252"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("é→".encode()), "cp1252"))
    start.write_utf8()
    print("数字 → \udce9", end="", flush=True)
    assert out.getvalue() == "数字 → \\udce9".encode()
    assert sys.stdin.read() == "é→"


def test_write_utf8_leaves_the_encoding_that_the_person_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    monkeypatch.setattr(sys, "stdout", stream)
    start.write_utf8()
    assert stream.encoding == "cp1252"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`scripts/loop run a/b`", "`scripts\\loop run a/b`"),
        ("run scripts/test, then", "run scripts\\test, then"),
        ("scripts/loop. Next", "scripts\\loop. Next"),
        ("scripts/loop-requirements.txt", "scripts/loop-requirements.txt"),
        ("scripts/loop.cmd", "scripts/loop.cmd"),
        ("/ws/scripts/loop", "/ws/scripts/loop"),
        ("scripts/loops", "scripts/loops"),
    ],
)
def test_localized_on_windows_has_the_form_that_cmd_reads(text: str, expected: str) -> None:
    assert user_shell.localized(text, windows=True) == expected
    assert user_shell.localized(text, windows=False) == text


def test_user_shell_on_windows_names_no_command_of_posix() -> None:
    texts = [
        user_shell.moving("a b/c", "d/e", windows=True),
        user_shell.copying_into("a/b", "c", windows=True),
        user_shell.owning(r"C:\a b", windows=True),
        user_shell.readable_by_all("m", windows=True),
        user_shell.executable("run.sh", windows=True),
        user_shell.joined(["cd", r"C:\R&D x"], windows=True),
    ]
    assert texts[0] == r'move "a b\c" d\e'
    assert texts[5] == r'cd "C:\R&D x"'
    words = {word for text in texts for word in text.replace("`", " ").split()}
    assert not words & {"sudo", "chmod", "chown", "mv", "cp", "+x", "export"}


def test_messages_on_windows_name_the_launcher_as_cmd_reads_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(user_shell, "WINDOWS", True)
    console.error(UserError("`scripts/loop` is old", code="x", hint="`scripts/loop upgrade`"))
    console.say("scripts/loop sync")
    assert "scripts/loop" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("winerror", "verb", "is_writable", "expected"),
    [
        (32, "read", False, True), (33, "write", True, True), (1224, "write", True, True),
        (5, "write", True, True), (5, "write", False, False), (5, "read", True, False),
        (2, "write", True, False), (None, "write", True, False),
    ],
)  # fmt: skip
def test_is_in_use_tells_an_open_file_from_a_protected_one(
    winerror: int | None, verb: str, is_writable: bool, expected: bool
) -> None:
    error = PermissionError(13, "Permission denied")
    error.winerror = winerror  # type: ignore[attr-defined,unused-ignore]
    assert files.is_in_use(error, verb, is_writable=is_writable) is expected


def test_cannot_with_a_sharing_violation_names_the_file(tmp_path: Path) -> None:
    error = PermissionError(13, "The process cannot access the file")
    error.winerror = 32  # type: ignore[attr-defined,unused-ignore]
    refused = files.cannot("write", tmp_path / "a.txt", error)
    assert (refused.code, refused.where) == ("file-in-use", str(tmp_path / "a.txt"))


def test_retried_gives_an_open_file_a_moment() -> None:
    answers = iter([PermissionError(), PermissionError(), None])

    def act() -> None:
        if error := next(answers):
            raise error

    files._retried(act, attempts=3)
    answers = iter([PermissionError(), PermissionError()])
    with pytest.raises(PermissionError):
        files._retried(act, attempts=2)


POSIX_ALONE = {"fcntl", "termios", "tty", "pty", "pwd", "grp", "resource", "syslog"}


def unguarded(source: str) -> set[str]:
    """The modules of POSIX alone that a module imports at its start, whatever the system is."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names & POSIX_ALONE


def test_no_module_imports_those_of_posix_unguarded() -> None:
    package = Path(start.__file__).parent
    found = {
        path.relative_to(package).as_posix(): names
        for path in package.rglob("*.py")
        if (names := unguarded(path.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert unguarded("import os, fcntl\nfrom pwd import getpwuid\nif x:\n    import grp") == {
        "fcntl",
        "pwd",
    }
