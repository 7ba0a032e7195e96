"""A command job, from the job file to the bodies and bytes that Azure gets."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.azure.conftest import Cloud
from tests.azure.standin import WORKSPACE
from tests.support import Workspace

pytestmark = pytest.mark.azure


def sent_code(cloud: Cloud) -> dict[str, bytes]:
    """The newest code asset's files, as they are in the blob store."""
    body = list(cloud.azure.codes.values())[-1]
    container, _, folder = body["properties"]["codeUri"].split("/", 3)[3].partition("/")
    files = cloud.azure.blobs.all(container)
    return {name.removeprefix(f"{folder}/"): content for name, content in files.items()}


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, links followed."""
    found = {}
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            path = Path(parent, name)
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def test_a_job_arrives(cloud: Cloud, tiny: Workspace) -> None:
    answer = cloud.loop(tiny, "submit", "tiny")
    assert answer.code == 0, answer.err
    ((name, body),) = cloud.azure.jobs.items()
    properties = body["properties"]
    assert properties["command"].startswith("python train.py --data ${{inputs.data}}")
    assert properties["experimentName"] == "tiny"
    assert properties["computeId"].endswith("/computes/cpu-cluster")
    assert properties["inputs"]["epochs"] == {"jobInputType": "literal", "value": "2"}
    assert properties["inputs"]["data"]["uri"].endswith("/data/digits/versions/1")
    assert f"job          {name}" in answer.out
    assert f"studio       https://ml.azure.com/runs/{name}" in answer.out
    assert re.search(r"innerloop: sent after \d+ s\n", answer.err)


def test_the_snapshot_is_the_folder_with_its_links_followed(cloud: Cloud, tiny: Workspace) -> None:
    told = cloud.loop(tiny, "submit", "tiny", "--dry-run", "--json")
    assert told.code == 0, told.err
    (preview,) = json.loads(told.out)["snapshots"]
    assert cloud.loop(tiny, "submit", "tiny").code == 0
    sent = sent_code(cloud)
    wanted = files_of(tiny.root / "src/tiny")
    left_out = {name for name in wanted if name.startswith("tests/")}
    assert sent == {name: wanted[name] for name in wanted if name not in left_out}
    assert sent["common/shapes.py"] == b"SIDES = 4\n"
    assert sent["common/tables/one.csv"] == b"a,b\n1,2\n"
    assert {one["name"]: one["size"] for one in preview["files"]} == {
        name: len(content) for name, content in sent.items()
    }
    (code,) = cloud.azure.codes.values()
    assert code["properties"]["properties"]["hash_sha256"] == preview["digest"]


def test_a_second_submission_uploads_nothing(cloud: Cloud, tiny: Workspace) -> None:
    assert cloud.loop(tiny, "submit", "tiny").code == 0
    before = cloud.azure.count("startPendingUpload")
    names = cloud.azure.blobs.names("workspaceblobstore")
    answer = cloud.loop(tiny, "submit", "tiny")
    assert answer.code == 0, answer.err
    assert "sent before, with tiny-" in answer.out
    assert "innerloop: nothing to upload" in answer.err
    assert cloud.azure.count("startPendingUpload") == before
    assert cloud.azure.blobs.names("workspaceblobstore") == names
    assert len(cloud.azure.jobs) == 2


def test_set_arrives_and_the_file_stays(cloud: Cloud, tiny: Workspace) -> None:
    text = tiny.read("src/tiny/azure-ml-job.yaml")
    sets = ["inputs.epochs=7", "inputs.data=azureml:digits:3", "compute=azureml:gpu-cluster"]
    words = [word for one in sets for word in ("--set", one)]
    answer = cloud.loop(tiny, "submit", "tiny", "--name", "chosen", *words)
    assert answer.code == 0, answer.err
    properties = cloud.azure.jobs["chosen"]["properties"]
    assert properties["inputs"]["epochs"]["value"] == "7"
    assert properties["inputs"]["data"]["uri"].endswith("/data/digits/versions/3")
    assert properties["inputs"]["data"]["jobInputType"] == "uri_folder"
    assert properties["computeId"].endswith("/computes/gpu-cluster")
    assert tiny.read("src/tiny/azure-ml-job.yaml") == text


def test_the_experiment_has_its_own_name_wherever_one_stands(cloud: Cloud, tiny: Workspace) -> None:
    text = tiny.read("src/tiny/azure-ml-job.yaml").replace("experiment_name: tiny\n", "")
    tiny.write("src/tiny/azure-ml-job.yaml", text)
    answer = tiny.loop("submit", "tiny", cwd=tiny.root / "src/common", env=cloud.env)
    assert answer.code == 0, answer.err
    ((_, body),) = cloud.azure.jobs.items()
    assert body["properties"]["experimentName"] == "tiny"


def test_json_is_one_object(cloud: Cloud, tiny: Workspace) -> None:
    answer = cloud.loop(tiny, "submit", "tiny", "--json", "--name", "one")
    assert json.loads(answer.out) == {
        "name": "one",
        "url": json.loads(answer.out)["url"],
        "status": "Completed",
    }


def test_what_azure_refuses_is_said_before_anything_is_sent(cloud: Cloud, tiny: Workspace) -> None:
    text = tiny.read("src/tiny/azure-ml-job.yaml")
    tiny.write(
        "src/tiny/azure-ml-job.yaml", text.replace("${{inputs.epochs}}", "${{inputs.epoch}}")
    )
    answer = cloud.loop(tiny, "submit", "tiny")
    assert answer.code == 1
    assert "azure-ml-job.yaml:7:52-" in answer.message
    assert "nothing was sent" in answer.message
    assert cloud.azure.asked == []


def test_a_placeholder_is_named_and_nothing_is_sent(cloud: Cloud, tiny: Workspace) -> None:
    config = {
        "subscription_id": "<your-subscription-id>",
        "resource_group": "rg",
        "workspace_name": "ws",
    }
    tiny.write(".azureml/config.json", json.dumps(config))
    empty = dict.fromkeys(
        ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"), ""
    )
    answer = cloud.loop(tiny, "submit", "tiny", env=empty)
    assert answer.code == 1
    assert '"subscription_id" is still a placeholder: <your-subscription-id>' in answer.message
    assert cloud.azure.asked == []


def test_likely_secrets_stop_a_submission_unless_allowed(cloud: Cloud, tiny: Workspace) -> None:
    tiny.write("src/tiny/.env", "PASSWORD=x\n")
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    tiny.write("src/tiny/settings.py", f"# keys\nKEY = '{key}'\n")
    answer = cloud.loop(tiny, "submit", "tiny")
    assert answer.code == 1
    assert "src/tiny/.env: looks like a secret" in answer.message
    assert "src/tiny/settings.py:2: looks like a secret: an AWS access key" in answer.message
    assert key not in answer.out + answer.err
    assert cloud.azure.asked == []
    assert cloud.loop(tiny, "submit", "tiny", "--allow-secrets").code == 0
    assert ".env" in sent_code(cloud)


def test_the_ledger_keeps_what_was_sent_and_from_which_code(cloud: Cloud, tiny: Workspace) -> None:
    git(tiny, "init", "-q", "-b", "work")
    tiny.write(".gitignore", ".innerloop/\noutputs/\nscripts\n")
    git(tiny, "add", ".")
    git(tiny, "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qm", "first")
    tiny.write("src/tiny/train.py", "print('changed')\n")
    tiny.write("src/tiny/new.py", "print('untracked')\n")
    status = git(tiny, "status", "--porcelain")
    index = (tiny.root / ".git/index").read_bytes()
    answer = cloud.loop(tiny, "submit", "tiny", "--name", "noted", "--set", "inputs.epochs=3")
    assert answer.code == 0, answer.err
    entry = json.loads(tiny.read(".innerloop/jobs/noted/job.json"))
    assert entry["state"] == "sent"
    assert entry["git"]["commit"] == git(tiny, "rev-parse", "HEAD").strip()
    assert entry["workspace"]["workspace"] == WORKSPACE
    assert entry["sets"] == ["inputs.epochs=3"] and entry["inputs"]["epochs"] == "3"
    assert entry["url"].startswith("https://ml.azure.com/runs/noted")
    patch = tiny.read(".innerloop/jobs/noted/changes.patch")
    assert "+print('changed')" in patch and "+print('untracked')" in patch
    assert (tiny.root / ".git/index").read_bytes() == index
    assert git(tiny, "status", "--porcelain") == status
    assert git(tiny, "branch", "--list").split() == ["*", "work"]


def git(workspace: Workspace, *words: str) -> str:
    import subprocess

    done = subprocess.run(
        ["git", *words], cwd=workspace.root, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("name", ["../x", "a b", "", "-x", "é"])
def test_a_name_that_is_none(cloud: Cloud, tiny: Workspace, name: str) -> None:
    words = ["submit", "tiny", f"--name={name}"] if name else ["status", "../../x"]
    answer = cloud.loop(tiny, *words)
    assert answer.code == 2
    assert "[job-name-invalid]" in answer.message
    assert cloud.azure.asked == []


def test_a_name_in_the_job_file_is_the_jobs(cloud: Cloud, tiny: Workspace) -> None:
    text = tiny.read("src/tiny/azure-ml-job.yaml")
    tiny.write("src/tiny/azure-ml-job.yaml", f"name: from-the-file\n{text}")
    assert cloud.loop(tiny, "submit", "tiny").code == 0
    assert list(cloud.azure.jobs) == ["from-the-file"]
    for words in ((), ("--dry-run",)):  # what is known before the upload is known to a dry run
        again = cloud.loop(tiny, "submit", "tiny", *words)
        assert again.code == 1
        assert 'a job "from-the-file" was submitted from here already' in again.message
        assert "or remove name: from src/tiny/azure-ml-job.yaml" in again.message
