"""The machines of GitHub and Azure Pipelines that run a workflow's step, as far as the step can see.

What a service does before it starts the step is done here from the rendered file: expressions are
evaluated (GitHub's by its own evaluator, from npm), the variables of a run are set, the script is
started as documented. Its tokens come from the stand-in below, over https.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.azure.conftest import Cloud
from tests.azure.network import Answer, Asked
from tests.azure.standin import TENANT, Azure, refusal, route, told
from tests.support import CI_TOOLS, Workspace

CLIENT = "c11e0700-0000-4000-8000-00000000f00d"
GITHUB_HOST, PIPELINES_HOST = "pipelines.actions.githubusercontent.com", "dev.azure.com"
RUN_TOKEN = "token-of-the-run-that-nobody-may-see"
CONNECTION = "5e271ce0-0000-4000-8000-00000000f00d"


@dataclass(frozen=True, slots=True)
class Step:
    """What is started: a script, its variables, and the branch that was checked out."""

    script: str
    env: Mapping[str, str]
    branch: str


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    log: str
    summary: str


def read(path: Path) -> dict[str, Any]:
    """Keys as they are written: `on` is no truth value to GitHub."""
    text = path.read_text(encoding="utf-8")
    value: dict[str, Any] = yaml.load(text, _Plain)
    return value


class _Plain(yaml.SafeLoader):
    """YAML 1.2's truth values."""


_Plain.yaml_implicit_resolvers = {
    letter: [(tag, found) for tag, found in pairs if tag != "tag:yaml.org,2002:bool"]
    for letter, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Plain.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


# GitHub


def github_step(
    workflow: Mapping[str, Any], given: Mapping[str, str] | None, variables: Mapping[str, str]
) -> Step:
    """The step of a run. `given`: what a person filled in, None for a run by the schedule."""
    (job,) = workflow["jobs"].values()
    checkout, step = job["steps"]
    contexts = {
        "github": {
            "event_name": "schedule" if given is None else "workflow_dispatch",
            "ref": "refs/heads/main" if given is None else "refs/heads/of-a-person",
        },
        "vars": variables,
        "inputs": {} if given is None else _dispatched(workflow, given),
    }
    names = list(step["env"])
    texts = [checkout["with"]["ref"], step["run"], *(step["env"][name] for name in names)]
    branch, script, *values = evaluated(contexts, texts)
    assert "${{" not in step["run"]  # no value becomes a part of the script
    return Step(script, dict(zip(names, values, strict=True)), branch)


def _dispatched(workflow: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The form as it is sent: defaults where nothing was filled in; a boolean stays one."""
    form = workflow["on"]["workflow_dispatch"]["inputs"]
    assert set(given) <= set(form)
    values = {name: given.get(name, one.get("default", "")) for name, one in form.items()}
    for name, one in form.items():
        if one["type"] == "choice":
            assert values[name] in one["options"]
        if one["type"] == "boolean":
            values[name] = values[name] in (True, "true")
    return values


def evaluated(contexts: Mapping[str, Any], texts: list[str]) -> list[str]:
    folder = CI_TOOLS / "workflows"
    module = (folder / "node_modules/@actions/expressions/dist/index.js").as_uri()
    done = subprocess.run(
        [folder / "node", Path(__file__).with_name("expressions.mjs"), module],
        input=json.dumps({"contexts": contexts, "texts": texts}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def run_github(cloud: Cloud, clone: Workspace, folder: Path, step: Step) -> Outcome:
    """`bash -e` on the script, as a runner does where the step names no shell."""
    summary = folder / "step_summary.md"
    summary.write_text("")
    env = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(summary),
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"https://{GITHUB_HOST}/oidc/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": RUN_TOKEN,
        **step.env,
    }
    return _run(["bash", "-e"], cloud, clone, folder, step.script, env, summary)


# Azure Pipelines


def pipeline_step(pipeline: Mapping[str, Any], given: Mapping[str, str]) -> Step:
    """The parameters are filled in when the file is read, `$(x)` when the step starts.

    Also where a parameter brought it.
    """
    (job,) = pipeline["jobs"]
    _, step = job["steps"]
    assert step["task"] == "AzureCLI@2"
    known = {one["name"]: one for one in pipeline.get("parameters", [])}
    assert set(given) <= set(known)
    values = {name: _parameter(one, given.get(name, one["default"])) for name, one in known.items()}
    filled_in = json.dumps(values, indent=2, ensure_ascii=False).replace("$(", "$\\u0028")
    read_at_once = {
        r"${{ replace(convertToJson(parameters), '$(', '$\u0028') }}": filled_in,
        "$(System.AccessToken)": "$(System.AccessToken)",
    }
    env = {name: read_at_once[text] for name, text in step["env"].items()}
    env = {name: text.replace("$(System.AccessToken)", RUN_TOKEN) for name, text in env.items()}
    script = step["inputs"]["inlineScript"]
    assert "${{" not in script and "$(" not in script
    return Step(script, env, pipeline["schedules"][0]["branches"]["include"][0])


def _parameter(one: Mapping[str, Any], value: str) -> Any:
    assert "values" not in one or value in one["values"]
    if one["type"] == "boolean":
        return value.lower() == "true"
    return json.loads(value) if one["type"] == "number" else value


def run_pipeline(
    cloud: Cloud, clone: Workspace, folder: Path, step: Step, variables: Mapping[str, str]
) -> Outcome:
    """AzureCLI@2: signed in by a service connection, then bash on the inline script."""
    env = {
        "TF_BUILD": "True",
        "AGENT_TEMPDIRECTORY": str(folder),
        "SYSTEM_OIDCREQUESTURI": f"https://{PIPELINES_HOST}/org/project/oidctoken",
        "AZURESUBSCRIPTION_TENANT_ID": TENANT,
        "AZURESUBSCRIPTION_CLIENT_ID": CLIENT,
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": CONNECTION,
        **variables,
        **step.env,
    }
    return _run(["bash"], cloud, clone, folder, step.script, env, folder / "summary.md")


def _run(
    shell: list[str],
    cloud: Cloud,
    clone: Workspace,
    folder: Path,
    script: str,
    env: Mapping[str, str],
    summary: Path,
) -> Outcome:
    """In an environment of its own: an empty home, PATH, what reaches the network, and `env`.

    What the tool has set up is shared with other tests, as a runner's cache would be.
    """
    (folder / "home").mkdir()
    file = folder / "step.sh"
    file.write_text(script)
    network = ("HTTPS_PROXY", "https_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    tests = ("INNERLOOP_PAUSE", "INNERLOOP_PATIENCE")
    whole = {
        "HOME": str(folder / "home"),
        "PATH": os.environ["PATH"],
        "INNERLOOP_CACHE": os.environ["INNERLOOP_CACHE"],
        **{name: cloud.env[name] for name in (*network, *tests)},
        **env,
    }
    done = subprocess.run(
        [*shell, str(file)],
        cwd=clone.root,
        env=whole,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    cloud.check(done.stdout)
    written = summary.read_text(encoding="utf-8") if summary.exists() else ""
    for text in (done.stdout, written):
        assert RUN_TOKEN not in text and "vouched-by" not in text
    return Outcome(done.returncode, done.stdout, written)


# Who vouches for a run


@route("GET", r"/oidc/token")
def _github_vouches(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    if asked.host != GITHUB_HOST or asked.headers.get("Authorization") != f"Bearer {RUN_TOKEN}":
        return refusal(403, "Forbidden", "the run may not ask")
    assert asked.query["audience"] == ["api://AzureADTokenExchange"]
    assert asked.query["api-version"] == ["2.0"]
    return told({"value": f"vouched-by-github-{azure.count('/oidc/token')}"})


@route("POST", r"/org/project/oidctoken")
def _pipelines_vouches(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    if asked.host != PIPELINES_HOST or asked.headers.get("Authorization") != f"Bearer {RUN_TOKEN}":
        return refusal(403, "Forbidden", "the run may not ask")
    assert asked.query["serviceConnectionId"] == [CONNECTION]
    return told({"oidcToken": f"vouched-by-pipelines-{azure.count('/oidctoken')}"})
