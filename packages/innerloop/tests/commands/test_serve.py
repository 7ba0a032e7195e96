"""`loop serve` and `loop invoke` up to where an engine would be needed."""

from __future__ import annotations

import json
import re
import socket
import textwrap

import pytest

from tests.serving.tiny import add_model, add_server
from tests.serving.web import web
from tests.support import Workspace

NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


def test_what_would_be_started_as_one_json_object(workspace: Workspace) -> None:
    add_server(workspace)
    add_model(workspace)
    answer = workspace.loop("serve", "line", "--port", "24680", "--dry-run", "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    model = f"{workspace.root}/outputs/line/20260101-a/model"
    assert (told["experiment"], told["backend"]) == ("line", "docker")
    assert told["command"] == "python -u /opt/app/server.py"
    assert told["env"] == {"AZUREML_MODEL_DIR": "/var/models/line/1", "WORD": "hello"}
    assert told["mounts"] == [
        {"source": model, "target": "/var/models/line/1/model", "read_only": True}
    ]
    assert told["image"].endswith("/line:deploy")
    assert told["argv"][:3] == ["docker", "run", "--detach"]
    assert "--publish" not in told["argv"] and told["image"] == told["argv"][-1]
    assert told["argv"][told["argv"].index("--network") + 1] == "innerloop-apart"
    assert (told["port"], told["url"]) == (24680, "http://127.0.0.1:24680/score")
    assert told["model"] == model and "cwd" in told


def test_a_dry_run_names_all_that_is_missing(workspace: Workspace) -> None:
    add_server(workspace)
    answer = workspace.loop("serve", "line", "--dry-run", "--json", env=NO_ENGINE)
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["argv"] == []
    notes = "\n".join(told["notes"])
    assert "no run of line that succeeded has a model" in notes
    assert "engine" in notes


def test_without_an_engine_it_is_one_sentence(workspace: Workspace) -> None:
    add_server(workspace)
    add_model(workspace)
    for words in (("serve", "line"), ("invoke", "line"), ("serve", "line", "--stop")):
        answer = workspace.loop(*words, env=NO_ENGINE)
        assert answer.code == 1
        assert "engine" in answer.message and answer.err.count("\n") == 1, answer.err


def test_one_that_has_no_deploy_folder_hears_how_to_get_one(workspace: Workspace) -> None:
    workspace.add("plain", "")
    alone = workspace.loop("serve", "plain")
    assert alone.code == 1 and "`scripts/loop help serve` describes its files" in alone.message
    add_server(workspace)
    beside = workspace.loop("invoke", cwd=workspace.root / "src/plain")
    assert beside.code == 1
    assert "src/line/deploy" in beside.message and "`loop new --from line`" in beside.err
    assert "*deployment.yaml" in workspace.loop("help", "serve").out


def test_in_an_experiments_container_it_says_where_to_go(workspace: Workspace) -> None:
    add_server(workspace)
    add_model(workspace)
    answer = workspace.loop("serve", env={**NO_ENGINE, "INNERLOOP_EXPERIMENT": "line"})
    assert answer.code == 1
    assert "this dev container has no Docker engine" in answer.message
    assert "Run it on the host" in answer.err


def test_a_taken_port_is_one_sentence_and_the_usual_one_gives_way(workspace: Workspace) -> None:
    add_server(workspace)
    add_model(workspace)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        answer = workspace.loop("serve", "line", "--port", str(port), "--dry-run")
        assert answer.code == 1
        assert f"port {port} of this machine is taken" in answer.message
        assert "--port" in answer.err
        usual = f"{{port: {port}, path: /score}}"
        file = "src/line/deploy/blue-deployment.yaml"
        workspace.write(file, workspace.read(file).replace("{port: 5000, path: /score}", usual))
        given = workspace.loop("serve", "line", "--dry-run")
        assert given.code == 0 and f"port {port} is in use; using" in given.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("serve", "plain"), 1, "src/plain/deploy: plain has no deploy folder"),
        (("invoke", "plain"), 1, "src/plain/deploy: plain has no deploy folder"),
        (("serve", "line", "--model", "nowhere"), 1, "nowhere is neither a path nor a run of line"),
        (("serve", "line", "--port", "0"), 2, "0 is not a port"),
        (("serve", "line", "--json"), 2, "Add --dry-run"),
        (("serve", "line", "--debug-port", "5678"), 2, "Add --debug"),
        (("serve", "line", "--debug", "--detach"), 2, "Omit --detach"),
        (("invoke", "line", "--endpoint", "--port", "80"), 2, "Omit --endpoint"),
        (("invoke", "line", "--timeout", "-1"), 2, "-1 is not a number of seconds"),
        (("invoke", "line", "--timeout", "nan"), 2, "nan is not a number of seconds"),
        (("invoke", "line", "nowhere.png", "--port", "9"), 1, "nowhere.png cannot be read"),
        (("invoke", "line", "--port", "1"), 1, "http://127.0.0.1:1/score does not answer"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    workspace: Workspace, words: tuple[str, ...], code: int, message: str
) -> None:
    workspace.add("plain", "")
    add_server(workspace)
    answer = workspace.loop(*words)
    assert answer.code == code
    assert message in answer.message and answer.out == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "    scoring_route: {port: 5000, path: /score}\n",
            "",
            "blue-deployment.yaml:6:1: the deployment names no scoring_route",
        ),
        (
            "build: {path: .}",
            "build: {path: ./server}",
            "there is no src/line/deploy/server/Docker",
        ),
        (
            "environment:\n  build: {path: .}\n",
            "environment:\n  name: e\n",
            "is registered in Azure ML",
        ),
    ],
)
def test_a_deployment_that_has_no_form_here_is_named_with_its_place(
    workspace: Workspace, old: str, new: str, message: str
) -> None:
    add_server(workspace)
    add_model(workspace)
    file = "src/line/deploy/blue-deployment.yaml"
    text = workspace.read(file)
    assert old in text
    workspace.write(file, text.replace(old, new))
    answer = workspace.loop("serve", "line")
    assert answer.code == 1 and message in answer.message
    assert f"{file}:" in answer.err


@pytest.mark.parametrize("written", ["azureml:team@latest", "file:../../../environments/team.yml"])
def test_environment_that_a_file_of_the_workspace_stands_for_is_served(
    workspace: Workspace, written: str
) -> None:
    add_server(workspace)
    add_model(workspace)
    file = "src/line/deploy/blue-deployment.yaml"
    text = workspace.read(file)
    (block,) = re.findall(r"(?m)^environment:\n(?:  .*\n)+", text)
    workspace.write(file, text.replace(block, f"environment: {written}\n"))
    asset = textwrap.dedent(block.partition("\n")[2]).replace("path: .", "path: ../src/line/deploy")
    workspace.write("environments/team.yml", f"name: team\nversion: 3\n{asset}")
    answer = workspace.loop("serve", "line", "--dry-run", "--json")
    assert answer.code == 0, answer.err
    value = json.loads(answer.out)
    assert value["image"].endswith("/line:deploy") and value["url"].endswith("/score")
    assert json.dumps(value).count("environments/team.yml") == (written[:8] == "azureml:")
    workspace.write("environments/team.yml", "name: team\nimage: a\nconda_file: c.yml\n")
    refused = workspace.loop("serve", "line", "--dry-run")
    assert refused.code == 1 and f"{file}:" in refused.message


def test_a_call_prints_the_answer_and_says_where_from(workspace: Workspace) -> None:
    add_server(workspace)
    photo = workspace.write("photo.png", "pixels")
    good, bad = (200, '{"digit": 7}'), (400, '{"error": "no picture"}')
    with web(lambda n: good if n < 2 else bad) as made:
        first = workspace.loop("invoke", "line", "--port", str(made.port))
        second = workspace.loop("invoke", "line", str(photo), "--port", str(made.port), "--json")
        third = workspace.loop("invoke", "line", "--port", str(made.port))
    assert (first.code, first.out) == (0, '{"digit": 7}\n')
    assert f"200 from {made.url} after" in first.message
    told = json.loads(second.out)
    assert (told["status"], told["answer"], told["url"]) == (200, {"digit": 7}, made.url)
    assert told["milliseconds"] > 0
    assert third.code == 1 and "no picture" in third.out and "400 from" in third.message
    sent = [(headers["Content-Type"], body) for _, headers, body in made.asked]
    assert sent[:2] == [("application/json", b"21"), ("image/png", b"pixels")]
