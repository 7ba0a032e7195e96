"""The rows of the stage: a command, its exit code, and texts of its output in their order."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Row:
    """`words` go to `loop`, unless `is_program`. `text` has parts joined by ` ... `.

    `..._without` count where symbolic links cannot be made. A row with `twice` is run there too.
    """

    code: int
    text: str
    words: list[str]
    is_program: bool = False
    code_without: int | None = None
    text_without: str | None = None
    twice: bool = True
    needed: bool = False
    cwd: str = ""
    title: str = ""
    files: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        return self.title or " ".join(self.words if self.is_program else ["loop", *self.words])


def loop(code: int, text: str, *words: str, **more: object) -> Row:
    return Row(code, text, list(words), **more)  # type: ignore[arg-type]


def program(code: int, text: str, *words: str, **more: object) -> Row:
    return Row(code, text, list(words), is_program=True, **more)  # type: ignore[arg-type]


CALLS_LOOP = (
    "@echo off\r\ncall scripts\\loop.cmd --version\r\necho first %ERRORLEVEL%\r\n"
    "call scripts\\loop.cmd nosuch\r\necho second %ERRORLEVEL%\r\n"
)

ROWS = [
    loop(0, "innerloop ", "--version", needed=True),
    loop(0, "digit_recognition", "list"),
    loop(0, "", "list", "--json"),
    loop(0, "in line", "sync", "--check"),
    loop(2, "nosuch", "nosuch"),
    loop(2, "aux", "new", "aux"),
    loop(0, "src/tiny", "new", "tiny", needed=True),
    loop(0, "src/common/metrics.py", "share", "tiny", "metrics.py"),
    loop(0, "", "check", "tiny"),
    loop(0, "", "run", "tiny", "--dry-run", "--backend", "venv"),
    loop(0, "outputs", "run", "tiny", "--backend", "venv", "--", "--steps", "5"),
    loop(2, "unrecognized", "run", "tiny", "--backend", "venv", "--", "--nosuch"),
    loop(0, "tiny", "runs", "tiny"),
    loop(0, "src/tiny2", "rename", "tiny", "tiny2"),
    loop(0, "removed", "remove", "tiny2", "--yes"),
    loop(0, "Register-ArgumentCompleter", "completion", "powershell"),
    loop(1, "git", "doctor"),
    program(0, "first 0 ... second 2", "cmd", "/c", "t.bat", files={"t.bat": CALLS_LOOP}),
]
