"""Data fetched by plain GETs, from a server on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from innerloop.runner import downloads
from innerloop.runner.datasets import Dataset
from innerloop.util.errors import UserError
from tests.support import Workspace

FILES = {
    "/box/iris.csv": b"a,b\n1,2\n",
    "/box/set/one.txt": b"1",
    "/box/set/deep/two.txt": b"22",
    "/box/set/a b#c.txt": b"333",
}


class Server:
    """Answers like a public blob container; `asked` are the paths in the order of the requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.short = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.answer(self)

            def log_message(self, *words: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        serve = self.http.serve_forever
        threading.Thread(target=serve, args=(0.02,), daemon=True).start()

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(to.path)
        query = parse_qs(parts.query)
        content = FILES.get(unquote(parts.path))
        if query.get("comp") == ["list"] and parts.path == "/box":
            content = self.listing(query.get("prefix", [""])[0], query.get("marker", [""])[0])
        if content is None:
            to.send_error(403 if parts.path.startswith("/closed") else 404)
            return
        to.send_response(200)
        to.send_header("Content-Length", str(len(content) + (5 if self.short else 0)))
        to.end_headers()
        to.wfile.write(content)

    def listing(self, prefix: str, marker: str) -> bytes:
        """One name on each page."""
        names = sorted(name[5:] for name in FILES if name[5:].startswith(prefix))
        rest = [name for name in names if name >= marker]
        blobs = "".join(f"<Blob><Name>{name}</Name></Blob>" for name in rest[:1])
        following = rest[1] if len(rest) > 1 else ""
        return (
            f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{following}</NextMarker>"
            "</EnumerationResults>"
        ).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def found(server: Server, path: str, to: Path) -> Dataset:
    return Dataset(str(to), False, url=f"{server.url}{path}", command="az storage blob download")


def nothing_left(folder: Path) -> bool:
    return not folder.exists() or not list(folder.iterdir())


def test_a_file_comes_once(server: Server, tmp_path: Path) -> None:
    said: list[str] = []
    one = found(server, "/box/iris.csv", tmp_path / "data/iris.csv")
    for _ in range(2):
        downloads.fetch(one, "uri_file", said.append)
    assert (tmp_path / "data/iris.csv").read_bytes() == FILES["/box/iris.csv"]
    assert server.asked == ["/box/iris.csv"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["iris.csv"]
    assert "downloading" in said[0] and "downloaded" in said[-1]


def test_a_folder_comes_with_all_that_is_below_it(server: Server, tmp_path: Path) -> None:
    one = found(server, "/box/set/", tmp_path / "data/set")
    downloads.fetch(one, "uri_folder", lambda line: None)
    came = {
        path.relative_to(tmp_path / "data/set").as_posix(): path.read_bytes()
        for path in (tmp_path / "data/set").rglob("*")
        if path.is_file()
    }
    assert came == {"one.txt": b"1", "deep/two.txt": b"22", "a b#c.txt": b"333"}
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("/closed/a.csv", "uri_file", "it answered 403"),
        ("/box/gone.csv", "uri_file", "it answered 404"),
        ("/closed/a", "uri_folder", "it answered 403"),
        ("/box/empty", "uri_folder", "there is nothing below it"),
    ],
)
def test_what_needs_a_sign_in_is_a_sentence_with_the_command(
    server: Server, tmp_path: Path, path: str, kind: str, said: str
) -> None:
    one = found(server, f"{path}?sig=secret", tmp_path / "data/x")
    with pytest.raises(UserError) as caught:
        downloads.fetch(one, kind, lambda line: None)
    message = caught.value.message()
    assert said in message and "Fetch it with `az storage blob download`" in message
    assert "secret" not in message
    assert nothing_left(tmp_path / "data")


def test_a_connection_that_breaks_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.short = True
    with pytest.raises(UserError, match="could not be downloaded"):
        downloads.fetch(
            found(server, "/box/iris.csv", tmp_path / "data/iris.csv"),
            "uri_file",
            lambda line: None,
        )
    assert nothing_left(tmp_path / "data")


def test_nobody_answers(tmp_path: Path) -> None:
    one = Dataset(str(tmp_path / "x.csv"), False, url="http://127.0.0.1:9/x.csv")
    with pytest.raises(UserError, match="Check the address and the network"):
        downloads.fetch(one, "uri_file", lambda line: None)


def test_a_run_downloads_what_its_job_names(server: Server, workspace: Workspace) -> None:
    job = f"command: cat ${{{{inputs.d}}}}\ninputs:\n  d: {{type: uri_file, path: '{server.url}/box/iris.csv'}}\n"
    workspace.add("tiny", "", job=job)
    dry = workspace.loop("run", "tiny", "--backend", "venv", "--dry-run")
    assert dry.code == 0 and "a real run first downloads" in dry.out
    assert server.asked == [] and not (workspace.root / "data").exists()
    for _ in range(2):
        answer = workspace.loop("run", "tiny", "--backend", "venv")
        assert (answer.code, answer.out) == (0, "a,b\n1,2\n"), answer.err
    assert server.asked == ["/box/iris.csv"]
    (kept,) = (workspace.root / "data").rglob("iris.csv")
    assert kept.parent.name == "box"
