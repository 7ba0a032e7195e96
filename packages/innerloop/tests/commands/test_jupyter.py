"""JupyterLab and notebooks without an engine; the parts of them that need no environment."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from innerloop.runner.interactive import jupyter
from innerloop.util.errors import UserError
from tests.support import Workspace, until


def test_the_token_is_made_once_and_for_one_person_alone(tmp_path: Path) -> None:
    first = jupyter.token(tmp_path)
    assert len(first) == 48 and jupyter.token(tmp_path) == first
    assert jupyter.token_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert jupyter.token(tmp_path / "another clone") != first


def test_a_token_that_a_workspace_brings_along_is_not_used(tmp_path: Path) -> None:
    (tmp_path / ".innerloop").mkdir()
    (tmp_path / ".innerloop/jupyter-token").write_text("known to a stranger\n")
    assert len(jupyter.token(tmp_path)) == 48


def test_the_browser_gets_a_file_and_not_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("innerloop.util.process.browse", browse)
    for name in ("BROWSER", "REMOTE_CONTAINERS", "CODESPACES"):
        monkeypatch.delenv(name, raising=False)
    address = jupyter.url(8888, "s3cret")
    assert jupyter.open_in_browser(address)
    page = Path(urllib.request.url2pathname(opened[0].removeprefix("file://")))
    assert "s3cret" not in opened[0] and address in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("BROWSER", "/vscode/bin/helpers/browser.sh")  # opens it on another machine
    assert jupyter.open_in_browser(address) and opened[1] == address


def test_the_next_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert jupyter.free_port(port) > port
    assert jupyter.free_port(port) == port
    monkeypatch.setattr("innerloop.util.ports.free", lambda wanted: 1)
    with pytest.raises(UserError, match="--port"):
        jupyter.free_port(8888)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x"])
def test_a_port_that_is_none(workspace: Workspace, port: str) -> None:
    workspace.add("tiny", "")
    answer = workspace.loop("jupyter", "tiny", f"--port={port}")
    assert answer.code == 2 and port in answer.message


def test_an_environment_without_it_says_what_to_add(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    answer = workspace.loop("jupyter", "tiny", "--backend", "venv")
    assert answer.code == 1 and "add it to requirements-dev.in" in answer.message
    assert "is ready" not in answer.out
    workspace.write("notebooks/n.ipynb", json.dumps({"nbformat": 4, "cells": []}))
    notebook = workspace.loop("notebook", "tiny", "n.ipynb", "--backend", "venv")
    assert notebook.code == 1 and "requirements-dev.in" in notebook.message
    assert not (workspace.root / "outputs").exists()


def test_a_notebook_that_is_not_there(workspace: Workspace, tmp_path: Path) -> None:
    workspace.add("tiny", "")
    workspace.write("notebooks/digits.ipynb", "{}")
    near = workspace.loop("notebook", "tiny", "digit.ipynb")
    assert near.code == 1 and "digits.ipynb" in near.message
    (tmp_path / "out.ipynb").write_text("{}")
    outside = workspace.loop("notebook", "tiny", str(tmp_path / "out.ipynb"))
    assert outside.code == 1 and "outside the workspace" in outside.message


def test_notebook_in_the_experiments_folder_is_found_by_its_name(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    workspace.write("src/tiny/look.ipynb", json.dumps({"nbformat": 4, "cells": []}))
    plan = workspace.loop("notebook", "tiny", "look.ipynb", "--backend", "venv", "--dry-run")
    assert plan.code == 0 and "/look.ipynb ../../src/tiny " in plan.out, plan.err
    near = workspace.loop("notebook", "tiny", "lok.ipynb")
    assert near.code == 1 and '"look.ipynb"' in near.message


@pytest.mark.network
@pytest.mark.slow
def test_without_an_engine_the_same_from_the_cached_environment(workspace: Workspace) -> None:
    """One environment for both: it takes a while to install."""
    assert workspace.loop("new", "churn").code == 0
    source = (
        "import os\nfrom train import points\nprint(len(points(3, 0)), os.getcwd())\n"
        "open('best.ckpt', 'w').close()\nopen('../src/churn/cache.bin', 'w').close()"
    )
    cell: dict[str, object] = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    cells = [{**cell, "source": source}]
    notebook = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}
    workspace.write("notebooks/look.ipynb", json.dumps(notebook))
    venv = ("--backend", "venv")
    ran = workspace.loop("notebook", "churn", "look.ipynb", *venv, timeout=600)
    assert ran.code == 0, ran.out + ran.err
    assert f"3 {workspace.root / 'notebooks'}\n" in ran.out
    assert "innerloop: in notebooks while it ran: new best.ckpt\n" in ran.err
    assert "innerloop: in src/churn while it ran: new cache.bin\n" in ran.err
    notebook["cells"] = [{**cell, "source": "1"}, {**cell, "source": "1 / 0"}, *cells]
    workspace.write("notebooks/look.ipynb", json.dumps(notebook))
    failed = workspace.loop("notebook", "churn", "look.ipynb", *venv)
    assert failed.code == 1 and "\x1b" not in failed.err
    assert "innerloop: cell 2 of 3 failed: ZeroDivisionError: division by zero\n" in failed.err
    assert "2 of 3 cells in " in failed.out and "look.html" in failed.err
    server = workspace.start("jupyter", "churn", *venv, "--port", "18950")
    server.wait_for("is ready", 120)
    address = server.text.partition("is ready: ")[2].split()[0]
    port = int(address.split(":")[2].split("/")[0])
    with urllib.request.urlopen(address, timeout=10) as page:
        assert "JupyterLab" in page.read().decode()
    assert listeners(port) == {"127.0.0.1"}
    # A kernel has no port at which others could read what it prints, and nobody else gets in.
    api = f"http://127.0.0.1:{port}/api/kernels"
    headers = {"Authorization": f"token {address.split('token=')[1]}"}
    urllib.request.urlopen(urllib.request.Request(api, b"{}", headers), timeout=30).close()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(api, timeout=10)
    assert refused.value.code == 403
    (folder,) = {path.parent for path in Path("/tmp").glob("jupyter-*/jpserver-*.json")}
    assert folder.stat().st_mode & 0o077 == 0
    assert until(lambda: len(list(folder.glob("kernel-*-ipc-*"))) == 5, 20)
    server.interrupt_group()
    assert server.end().code == 130
    assert not folder.exists()
    again = workspace.start("jupyter", "churn", *venv, "--port", "18950")
    again.wait_for("is ready", 120)
    assert address.split("token=")[1] in again.text
    again.send(signal.SIGTERM)
    assert again.end().code == 143
    with socket.socket() as free:
        assert free.connect_ex(("127.0.0.1", port)) != 0


def listeners(port: int) -> set[str]:
    """The addresses at which something listens on the port. Source: proc(5), /proc/net/tcp."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, state = line.split()[1], line.split()[3]
        if state == "0A" and int(address.split(":")[1], 16) == port:
            found.add(socket.inet_ntoa(bytes.fromhex(address.split(":")[0])[::-1]))
    return found
