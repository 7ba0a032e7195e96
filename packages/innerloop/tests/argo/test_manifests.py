"""Every kind of job as a manifest that a cluster takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from innerloop.argo_manifest import parse, resource_names
from innerloop.argo_manifest.escaping import escape, kubelet_expand, placeholder, to_argo
from innerloop.model.settings.argo_settings import read
from innerloop.model.settings.settings import UnparsedTable
from innerloop.util.errors import UserError
from tests.argo.jobs import NODES, PIPELINE, SWEEP, planned, put
from tests.argo.lint import SCHEMA, faults
from tests.support import Workspace, make_workspace

CLAIM = '[argo.data.raw]\nclaim = "datasets"\npath = "raw"\n'


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    made = make_workspace(tmp_path / "a b")
    made.write("pyproject.toml", '[tool.innerloop]\nregistry = "reg.example/team"\n')
    made.add("line", "print(1)")
    for script in ("prep.sh", "train.sh"):
        made.write(f"src/line/{script}", "")
    return made


def right(manifest: Any) -> dict[str, Any]:
    """The manifest, which a cluster takes as it is and as its YAML says it."""
    from innerloop.util import yaml_writer

    if SCHEMA.exists():
        assert faults(manifest) == []
    assert yaml.safe_load(yaml_writer.document(manifest)) == manifest
    spec: dict[str, Any] = manifest["spec"]
    return spec


def templates(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in spec["templates"]}


def test_a_plain_job_is_one_pod(work: Workspace) -> None:
    work.add(
        "line",
        "",
        job="command: python -u train.py --epochs ${{inputs.epochs}} $[[--x ${{inputs.x}}]]\n"
        "inputs: {epochs: 8, x: {type: string, optional: true}}\n"
        "outputs: {model: , report: {type: uri_file}}\n"
        "limits: {timeout: 90}\nresources: {shm_size: 512m}\nenvironment_variables: {A: b}\n",
        toml='gpu = "all"\n[argo]\nnamespace = "ml"\ncpu = "2"\nmemory = "4Gi"\nretry = 2\n'
        'service_account = "runner"\nimage_pull_secrets = ["reg"]\nkeep = 3600\n'
        'node_selector = { pool = "gpu" }\nlabels = { team = "a" }\n'
        'tolerations = [{ key = "nvidia.com/gpu", operator = "Exists", effect = "NoSchedule" }]\n',
    )
    made = planned(work)
    spec = right(made.request.manifest)
    assert made.request.manifest["metadata"]["namespace"] == "ml"
    assert made.request.manifest["metadata"]["labels"] == {
        "innerloop/experiment": "line", "team": "a"
    }  # fmt: skip
    assert spec["serviceAccountName"] == "runner" and spec["imagePullSecrets"] == [{"name": "reg"}]
    assert spec["ttlStrategy"] == {"secondsAfterCompletion": 3600}
    (pod,) = spec["templates"]
    assert pod["activeDeadlineSeconds"] == "90"
    assert pod["retryStrategy"] == {"limit": "2", "retryPolicy": "OnError"}
    assert pod["nodeSelector"] == {"pool": "gpu"} and pod["tolerations"][0]["operator"] == "Exists"
    container = pod["container"]
    assert container["command"] == ["bash", "-c"]
    assert container["args"] == ["python -u train.py --epochs 8 "]
    assert container["image"].startswith("reg.example/team/line:run-")
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "4Gi"},
        "limits": {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"},
    }
    env = {one["name"]: one["value"] for one in container["env"]}
    assert env["AZUREML_PARAMETER_epochs"] == "8" and env["A"] == "b"
    assert env["AZURE_ML_OUTPUT_model"] == "/code/outputs/model"
    mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
    assert mounts["/code/outputs/model"]["subPath"] == "model"  # a folder, made by the kubelet
    assert "/code/outputs/report" not in mounts
    assert pod["volumes"][0]["emptyDir"] == {"medium": "Memory", "sizeLimit": "512Mi"}
    assert pod["outputs"]["artifacts"] == [
        {"name": "outputs", "path": "/code/outputs", "optional": True}
    ]


def test_the_request_says_what_contract_6_asks_for(work: Workspace) -> None:
    told = json.loads(json.dumps(planned(work).request.json()))
    for key in ("experiment", "backend", "command", "argv", "cwd", "env", "image", "mounts"):
        assert key in told
    assert told["backend"] == "argo" and told["argv"] == ["bash", "-c", "python -u train.py"]
    assert told["env"]["AZUREML_RUN_ID"] == told["manifest"]["metadata"]["name"]


@pytest.mark.parametrize(
    ("gpu", "argo", "expected"),
    [
        ("auto", "", None),
        ("auto", "gpus = 2", "2"),
        ("all", "", "1"),
        ("none", "gpus = 2", None),
        ("all", 'gpus = 3\ngpu_resource = "amd.com/gpu"', "3"),
    ],
)
def test_gpus_by_the_policy(work: Workspace, gpu: str, argo: str, expected: str | None) -> None:
    work.add("line", "", toml=f'gpu = "{gpu}"\n[argo]\n{argo}\n')
    spec = right(planned(work).request.manifest)
    limits = spec["templates"][0]["container"].get("resources", {}).get("limits", {})
    assert next(iter(limits.values()), None) == expected


@pytest.mark.parametrize(
    ("toml", "volume", "mount"),
    [
        (
            'claim = "datasets"\npath = "a/b"',
            {"persistentVolumeClaim": {"claimName": "datasets"}},
            {"subPath": "a/b", "readOnly": True},
        ),
        ('nfs = "srv:/x"', {"nfs": {"server": "srv", "path": "/x"}}, {"readOnly": True}),
        ('host_path = "/data"', {"hostPath": {"path": "/data"}}, {"readOnly": True}),
    ],
)
def test_data_by_a_volume(
    work: Workspace, toml: str, volume: dict[str, Any], mount: dict[str, Any]
) -> None:
    work.add(
        "line",
        "",
        job="command: cat ${{inputs.raw}}\ninputs: {raw: {type: uri_folder, path: azureml:raw:1}}\n",
        toml=f"[argo.data.raw]\n{toml}\n",
    )
    spec = right(planned(work).request.manifest)
    (pod,) = spec["templates"]
    assert {"name": "input-2", **volume} in pod["volumes"]
    assert pod["container"]["volumeMounts"][-1] == {
        "name": "input-2", "mountPath": "/mnt/inputs/raw", **mount
    }  # fmt: skip
    assert pod["container"]["args"] == ["cat /mnt/inputs/raw"]


def test_data_by_an_artifact(work: Workspace) -> None:
    work.add(
        "line",
        "",
        job="command: cat ${{inputs.raw}} ${{inputs.one}}\n"
        "inputs:\n  raw: {type: uri_folder, path: azureml:raw:1}\n"
        '  one: {type: uri_file, path: "https://example.org/a/one.csv?x=1"}\n',
        toml='[argo.data.raw]\ns3 = { bucket = "b", key = "raw" }\n',
    )
    (pod,) = right(planned(work).request.manifest)["templates"]
    assert pod["inputs"]["artifacts"] == [
        {"name": "raw", "path": "/mnt/inputs/raw", "s3": {"bucket": "b", "key": "raw"}},
        {
            "name": "one",
            "path": "/mnt/inputs/one/one.csv",
            "archive": {"none": {}},
            "http": {"url": "https://example.org/a/one.csv?x=1"},
        },
    ]
    assert pod["container"]["args"] == ["cat /mnt/inputs/raw /mnt/inputs/one/one.csv"]


def test_outputs_on_a_claim(work: Workspace) -> None:
    work.add(
        "line",
        "",
        job="outputs: {model: }\n",
        toml='[argo.outputs]\nclaim = "out"\npath = "runs"\n',
    )
    (pod,) = right(planned(work).request.manifest)["templates"]
    assert "outputs" not in pod
    mounts = {one["mountPath"]: one.get("subPath") for one in pod["container"]["volumeMounts"]}
    assert mounts["/code/outputs"] == "runs/{{workflow.name}}"
    assert mounts["/code/outputs/model"] == "runs/{{workflow.name}}/model"


def test_several_nodes_find_each_other(work: Workspace) -> None:
    put(work, NODES)
    made = planned(work)
    spec = right(made.request.manifest)
    known = templates(spec)
    service = json.loads(known["rendezvous"]["resource"]["manifest"])
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"workflows.argoproj.io/workflow": "{{workflow.name}}"}
    assert known["rendezvous"]["resource"]["setOwnerReference"] is True
    tasks = known["main"]["dag"]["tasks"]
    assert [one.get("depends") for one in tasks] == [None, "rendezvous", "rendezvous"]
    patch = json.loads(known["main-node-1"]["podSpecPatch"])
    assert patch == {"hostname": "node-1", "subdomain": "{{workflow.name}}"}
    pods = {one.template: one for one in parse.pods(made.request.manifest)}
    second = pods["main-node-1"]
    assert second.env["MASTER_ADDR"] == f"node-0.{made.name}"
    assert second.env["WORLD_SIZE"] == "4" and second.env["NODE_RANK"] == "1"
    started = [word for word in second.argv if word.startswith(("RANK=", "LOCAL_RANK="))]
    assert started == ["RANK=2", "LOCAL_RANK=0", "RANK=3", "LOCAL_RANK=1"]
    assert second.command == "python -u train.py" and second.shm == "512m"


def test_one_instance_of_several_processes_is_one_pod(work: Workspace) -> None:
    put(work, NODES.replace("instance_count: 2, ", ""))
    (pod,) = right(planned(work).request.manifest)["templates"]
    assert "podSpecPatch" not in pod and "127.0.0.1" in json.dumps(pod)


def test_tensorflow_workers(work: Workspace) -> None:
    put(
        work, NODES.replace("pytorch, process_count_per_instance: 2", "tensorflow, worker_count: 2")
    )
    made = planned(work)
    right(made.request.manifest)
    pods = parse.pods(made.request.manifest)
    told = [json.loads(one.env["TF_CONFIG"]) for one in pods]
    assert told[0]["cluster"] == {"worker": [f"node-{n}.{made.name}:29500" for n in (0, 1)]}
    assert [one["task"] for one in told] == [{"type": "worker", "index": n} for n in (0, 1)]


def test_a_sweep_is_a_fan_out(work: Workspace) -> None:
    put(work, SWEEP)
    made = planned(work)
    spec = right(made.request.manifest)
    assert spec == planned(work).request.manifest["spec"]  # the same trials every time
    known = templates(spec)
    (task,) = known["main"]["dag"]["tasks"]
    assert [one["trial"] for one in task["withItems"]] == ["trial-1", "trial-2", "trial-3"]
    assert {one["kind"] for one in task["withItems"]} <= {"a", "b c"}
    assert known["main"]["parallelism"] == 2 and known["main"]["dag"]["failFast"] is False
    assert spec["activeDeadlineSeconds"] == 600 and known["trial"]["activeDeadlineSeconds"] == "60"
    rate, kind = "{{inputs.parameters.rate}}", "{{inputs.parameters.kind}}"
    text = f"python -u train.py --rate {rate} --kind {kind} --epochs 2"
    assert known["trial"]["container"]["args"] == [text]
    env = {one["name"]: one["value"] for one in known["trial"]["container"]["env"]}
    assert env["AZUREML_SWEEP_rate"] == "{{inputs.parameters.rate}}"
    assert env["AZUREML_RUN_ID"] == "{{workflow.name}}-{{inputs.parameters.trial}}"


def test_a_search_space_with_any_name_and_any_text(work: Workspace) -> None:
    """`trial` is what a trial's own name is called, and a value goes through the kubelet."""
    sweep = SWEEP.replace("kind", "trial").replace('"b c"', '"$(HOME) $$"')
    put(work, sweep.replace("type: random, seed: 3", "type: grid").replace(
        "type: uniform, min_value: 0.1, max_value: 0.9", "type: choice, values: [1]"
    ))  # fmt: skip
    spec = right(planned(work).request.manifest)
    known = templates(spec)
    (task,) = known["main"]["dag"]["tasks"]
    assert [one["trial-value"] for one in task["withItems"]] == ["a", "$$(HOME) $$$$"]
    assert [one["trial"] for one in task["withItems"]] == ["trial-1", "trial-2"]
    rate, trial = "{{inputs.parameters.rate}}", "{{inputs.parameters.trial-value}}"
    args = known["trial"]["container"]["args"]
    assert args == [f"python -u train.py --rate {rate} --trial {trial} --epochs 2"]
    (told,) = json.loads(work.loop("parity", "line", "--json").out)
    assert told["unexplained"] == []


def test_a_sweep_of_several_nodes(work: Workspace) -> None:
    more = "  distribution: {type: pytorch}\n  resources: {instance_count: 2}\n"
    put(work, SWEEP.replace("inputs: {epochs", f"{more}inputs: {{epochs"))
    known = templates(right(planned(work).request.manifest))
    patch = json.loads(known["trial-node-1"]["podSpecPatch"])
    assert patch["hostname"] == "{{inputs.parameters.trial}}-node-1"


@pytest.mark.parametrize("outputs", ["", '[argo.outputs]\nclaim = "out"\n'])
def test_a_pipeline_is_a_dag(work: Workspace, outputs: str) -> None:
    work.add("line", "", toml=CLAIM + outputs)
    put(work, PIPELINE)
    known = templates(right(planned(work).request.manifest))
    prep, train = known["main"]["dag"]["tasks"]
    assert "depends" not in prep and train["depends"] == "prep"
    assert known["prep"]["container"]["args"] == [
        "sh prep.sh /mnt/inputs/raw 3 /code/outputs/clean"
    ]
    assert known["train-it"]["container"]["args"] == [
        "sh train.sh /mnt/inputs/clean /code/outputs/model"
    ]
    if outputs:
        mounts = {one["mountPath"]: one for one in known["train-it"]["container"]["volumeMounts"]}
        assert mounts["/mnt/inputs/clean"]["subPath"] == "{{workflow.name}}/prep/clean"
        assert mounts["/code/outputs"]["subPath"] == "{{workflow.name}}/train-it"
    else:
        assert train["arguments"]["artifacts"] == [
            {"name": "clean", "from": "{{tasks.prep.outputs.artifacts.clean}}"}
        ]
        assert known["prep"]["outputs"]["artifacts"][-1] == {
            "name": "clean", "path": "/code/outputs/clean"
        }  # fmt: skip


def test_an_output_called_as_all_of_them_are(work: Workspace) -> None:
    work.add("line", "", toml=CLAIM)
    put(work, PIPELINE.replace("clean", "outputs"))
    known = templates(right(planned(work).request.manifest))
    assert [one["name"] for one in known["prep"]["outputs"]["artifacts"]] == [
        "all-outputs", "outputs"
    ]  # fmt: skip


def test_a_pipeline_with_a_step_of_several_nodes(work: Workspace) -> None:
    more = "    distribution: {type: pytorch}\n    resources: {instance_count: 2}\n"
    work.add("line", "", toml=CLAIM)
    put(work, PIPELINE + more)
    known = templates(right(planned(work).request.manifest))
    assert json.loads(known["train-it-node-0"]["podSpecPatch"])["hostname"] == "train-it-node-0"
    depends = [one.get("depends") for one in known["main"]["dag"]["tasks"]]
    assert depends == [None, "rendezvous", "rendezvous && prep"]


def test_the_first_node_hands_on_what_a_later_step_takes(work: Workspace) -> None:
    work.add("line", "", toml=CLAIM)
    more = "distribution: {type: pytorch}\n    resources: {instance_count: 2}\n    inputs: {raw"
    put(work, PIPELINE.replace('inputs: {raw: "$', f'{more}: "$'))
    known = templates(right(planned(work).request.manifest))
    assert known["prep"]["outputs"]["artifacts"] == [
        {"name": "clean", "from": "{{tasks.node-0.outputs.artifacts.clean}}"}
    ]
    given = [[a["name"] for a in known[f"prep-node-{n}"]["outputs"]["artifacts"]] for n in (0, 1)]
    assert given == [["outputs", "clean"], ["outputs"]]


def test_a_job_of_somebody_elses_image_needs_none_of_ours(work: Workspace) -> None:
    put(work, "command: echo hi\nenvironment: {image: 'reg.example/tools/busybox:1'}\n")
    made = planned(work)
    assert made.images == {}
    (pod,) = right(made.request.manifest)["templates"]
    assert pod["container"]["image"] == "reg.example/tools/busybox:1"


TEXTS = st.text(st.sampled_from("${}()ab \n\\'\"%x"), max_size=30) | st.text(max_size=30)


@given(TEXTS, st.dictionaries(st.sampled_from(["a", "b", "ab", "x"]), st.text(max_size=3)))
def test_whatever_a_command_holds_arrives(text: str, others: dict[str, str]) -> None:
    if any("\ue000" <= letter <= "\ue001" for letter in text):
        return
    written = escape(text)
    assert "{{" not in written
    assert kubelet_expand(written, {**others, "INNERLOOP_BRACE": "{"}) == text


@given(TEXTS, TEXTS)
def test_what_argo_fills_in_stands_where_it_was_meant(before: str, after: str) -> None:
    if any("\ue000" <= letter <= "\ue001" for letter in before + after):
        return
    written = escape(before + placeholder("workflow.name") + after)
    assert written.count("{{workflow.name}}") == 1
    assert to_argo(placeholder("workflow.name")) == "{{workflow.name}}"


@given(st.text(max_size=90))
def test_names_are_labels(text: str) -> None:
    assert resource_names.is_label(resource_names.label(text))
    assert resource_names.is_label(resource_names.label(text, 40), 40)


VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Co"]), min_size=1, max_size=20)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES, VALUES)
def test_any_value_of_an_input_and_a_variable(work: Workspace, value: str, variable: str) -> None:
    job = {
        "command": "python -u train.py --x '${{inputs.x}}'",
        "code": ".",
        "environment": {"build": {"path": "./environment"}},
        "environment_variables": {"V": variable},
        "inputs": {"x": {"type": "string", "value": value}},
    }
    put(work, json.dumps(job, ensure_ascii=False))
    if "${{" in value + variable or "<" in value:
        return
    made = planned(work)
    right(made.request.manifest)
    request = made.request.first
    assert request.command == f"python -u train.py --x '{value}'"
    assert request.env["AZUREML_PARAMETER_x"] == value and request.env["V"] == variable


WRONG_SETTINGS = [
    ("nodes = 1\n", 'argo: "nodes" is unknown'),
    ("retry = -1\n", "argo.retry = -1 is not a count"),
    ('memory = "4 GB"\n', "argo.memory = '4 GB' is not a Kubernetes quantity"),
    ('namespace = "My NS"\n', "argo.namespace = 'My NS' is no"),
    ('retry_policy = "Never"\n', "argo.retry_policy = 'Never' is unknown"),
    ("image_pull_secrets = [1]\n", "argo.image_pull_secrets is not a list of names"),
    ("node_selector = { a = 1 }\n", "argo.node_selector is not a table of strings"),
    ("tolerations = [{ keys = 'a' }]\n", 'argo.tolerations: "keys" is unknown'),
    ("[argo.data.raw]\npvc = 'a'\n", 'argo.data.raw: "pvc" is unknown'),
    ("[argo.data.raw]\nclaim = 'a'\nnfs = 'b:/c'\n", "argo.data.raw names 2 locations"),
    ("[argo.data.raw]\nclaim = 'A_B'\n", "argo.data.raw.claim = 'A_B' is not the name of a claim"),
    ("[argo.data.raw]\nnfs = 'server'\n", "argo.data.raw.nfs = 'server' is not an NFS export"),
    ("[argo.data.raw]\nhost_path = 'data'\n", "is not an absolute path"),
    ("[argo.data.raw]\nclaim = 'a'\npath = '../b'\n", "leads out of the volume"),
    ("[argo.data.raw]\ns3 = { bucket = 'b' }\n", "argo.data.raw.s3 has no key"),
    ("[argo.outputs]\ns3 = { key = 'b' }\n", 'argo.outputs: "s3" is unknown'),
]


@pytest.mark.parametrize(
    ("text", "expected"), WRONG_SETTINGS, ids=[one for _, one in WRONG_SETTINGS]
)
def test_a_wrong_setting_has_its_line(text: str, expected: str) -> None:
    from innerloop.model.settings import settings as of

    source = f"# a comment\n[argo]\n{text}"
    found = of.of_experiment(source, "src/line/innerloop.toml", of.Settings())
    with pytest.raises(UserError) as caught:
        read(found.argo)
    message = caught.value.message()
    assert expected in message
    assert message.startswith(("src/line/innerloop.toml:3: ", "src/line/innerloop.toml:4: "))


def test_the_nearer_file_wins_key_by_key() -> None:
    table = {"namespace": "a", "cpu": "1", "labels": {"x": "1"}}
    outer = UnparsedTable(table, "", "pyproject.toml", ("argo",))
    table = {"namespace": "b", "labels": {"y": "2"}}
    inner = UnparsedTable(table, "", "innerloop.toml", ("argo",))
    setting = read([outer, inner])
    assert (setting.namespace, setting.cpu) == ("b", "1")
    assert setting.labels == {"x": "1", "y": "2"}


def test_what_argo_cannot_be_told_stops_a_submission(work: Workspace) -> None:
    job = "command: cat ${{inputs.raw}}\ninputs: {raw: {type: uri_folder, path: azureml:raw:1}}\n"
    work.add("line", "", job=job)
    answer = work.loop("submit", "line", "--backend", "argo", "--dry-run")
    assert answer.code == 1
    assert "src/line/azure-ml-job.yaml:6:" in answer.message
    assert "[data-location-missing]" in answer.message


def test_a_dry_run_prints_the_manifest_and_what_is_lacking(workspace: Workspace) -> None:
    workspace.add("line", "print(1)")
    answer = workspace.loop("submit", "line", "--backend", "argo", "--dry-run")
    assert answer.code == 0
    right(yaml.safe_load(answer.out))
    assert "a cluster pulls images from a registry" in answer.err
    told = workspace.loop(
        "submit", "line", "--backend", "argo", "--dry-run", "--json", "--name", "n"
    )
    assert json.loads(told.out)["manifest"]["metadata"]["name"] == "n"
    wrong = workspace.loop("submit", "line", "--backend", "argo", "--dry-run", "--name", "My_job")
    assert wrong.code == 2 and "[job-name-invalid]" in wrong.message
