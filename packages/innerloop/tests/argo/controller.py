"""What Argo's controller, a scheduler and a kubelet do together, as far as our manifests need it.

It fills in `{{...}}`, walks DAGs, makes a pod of each template with a container, and runs it for
real: the image pulled from its registry, its command, variables (with the kubelet's `$(NAME)`),
volumes, folders in volumes, limits, hostname and artifacts. A pod is a container of the Docker
engine, a Service without an address a name on a network of it.

Written from the documents of Argo and Kubernetes, and shares nothing with the code that makes the
manifests.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.argo.api import Api, Log, now

Json = dict[str, Any]
SIZES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}
ARGOS_WORD = 'time="2026-11-25T03:00:00.000Z" level=info msg="capturing logs" argo=true\n'


class Controller:
    """Runs every Workflow that the API takes.

    `claims` and `repository` are folders of this disk: the volumes of claims by their names, and
    what artifacts are kept in.
    """

    def __init__(self, api: Api, folder: Path) -> None:
        self.api = api
        self.folder = folder
        self.claims = folder / "claims"
        self.repository = folder / "repository"
        self.runs: list[_Run] = []
        api.store.on_change = self._on_change

    def _on_change(self, what: str, one: Json) -> None:
        if what == "ADDED workflows":
            run = _Run(self, one)
            self.runs.append(run)
            threading.Thread(target=run.run, daemon=True).start()
        if what == "MODIFIED workflows" and one["spec"].get("shutdown"):
            for run in self.runs:
                if run.name == one["metadata"]["name"]:
                    threading.Thread(target=run.stop, daemon=True).start()

    def close(self) -> None:
        for run in self.runs:
            run.stop()
        for run in self.runs:
            run.over.wait(20)
            run.clean()


class _Run:
    def __init__(self, controller: Controller, workflow: Json) -> None:
        self.controller = controller
        self.api = controller.api
        self.name = workflow["metadata"]["name"]
        self.namespace = workflow["metadata"]["namespace"]
        self.spec = self._resolved(workflow["spec"])
        self.templates = {one["name"]: one for one in self.spec["templates"]}
        self.folder = controller.folder / self.name
        self.containers: list[str] = []
        self.network = ""
        self.stopped = threading.Event()
        self.over = threading.Event()
        self.count = 0
        self.lock = threading.Lock()
        self.given = {
            f"workflow.parameters.{one['name']}": one["value"]
            for one in self.spec.get("arguments", {}).get("parameters", [])
        }

    def _resolved(self, spec: Json) -> Json:
        """With the WorkflowTemplate that it refers to; its own arguments count."""
        if "workflowTemplateRef" not in spec:
            return spec
        name = spec["workflowTemplateRef"]["name"]
        template = self.api.store.get("workflowtemplates", self.namespace, name)
        assert template is not None, f"there is no template {name}"
        own = {one["name"]: one for one in spec.get("arguments", {}).get("parameters", [])}
        given = [
            {**one, **own.get(one["name"], {})}
            for one in template["spec"].get("arguments", {}).get("parameters", [])
        ]
        for one in given:
            assert one["value"] in one.get("enum", [one["value"]]), one
        return {**template["spec"], "arguments": {"parameters": given}}

    def run(self) -> None:
        self._status(phase="Running", startedAt=now(), nodes={})
        try:
            phase, message = self._execute(self.spec["entrypoint"], {}, {}, self.name, {})
        except Exception as error:  # a test sees what this stand-in could not do
            phase, message = "Error", f"{type(error).__name__}: {error}"
        if self.stopped.is_set():
            phase, message = "Failed", "Stopped with strategy 'Terminate'"
        self._status(phase=phase, finishedAt=now(), **({"message": message} if message else {}))
        self.over.set()

    def stop(self) -> None:
        self.stopped.set()
        for name in list(self.containers):
            subprocess.run(["docker", "kill", name], capture_output=True)

    def clean(self) -> None:
        for name in self.containers:
            subprocess.run(["docker", "rm", "-f", name], capture_output=True)
        if self.network:
            subprocess.run(["docker", "network", "rm", self.network], capture_output=True)

    def _status(self, **words: Any) -> None:
        self.api.store.change(
            "workflows", self.namespace, self.name,
            lambda one: one.setdefault("status", {}).update(words),
        )  # fmt: skip

    def _node(self, identity: str, **words: Any) -> None:
        def change(one: Json) -> None:
            nodes = one.setdefault("status", {}).setdefault("nodes", {})
            nodes.setdefault(identity, {"id": identity}).update(words)

        self.api.store.change("workflows", self.namespace, self.name, change)

    def _execute(
        self, template: str, parameters: Mapping[str, str], artifacts: Mapping[str, Path],
        display: str, gives: dict[str, Path],
    ) -> tuple[str, str]:  # fmt: skip
        """Phase and message; what it gives is put into `gives`."""
        identity = self._identity()
        known = {
            **self.given,
            "workflow.name": self.name,
            "workflow.namespace": self.namespace,
            **{f"inputs.parameters.{name}": value for name, value in parameters.items()},
        }
        raw = self.templates[template]
        self._node(
            identity, displayName=display, templateName=template, phase="Pending",
            type="DAG" if "dag" in raw else "Pod", startedAt=now(),
            inputs={"parameters": [{"name": n, "value": v} for n, v in parameters.items()]},
        )  # fmt: skip
        if "dag" in raw:
            self._node(identity, phase="Running")
            phase, message = self._dag(raw, known, artifacts, gives)
        elif "resource" in raw:
            phase, message = self._resource(_filled(raw, known))
        else:
            phase, message = self._pod(identity, _filled(raw, known), artifacts, gives)
        self._node(identity, phase=phase, message=message, finishedAt=now())
        return phase, message

    def _identity(self) -> str:
        with self.lock:
            self.count += 1
            return self.name if self.count == 1 else f"{self.name}-{1000 + self.count}"

    def _dag(
        self, template: Json, known: Mapping[str, str], artifacts: Mapping[str, Path],
        gives: dict[str, Path],
    ) -> tuple[str, str]:  # fmt: skip
        tasks = template["dag"]["tasks"]
        done: dict[str, tuple[str, str]] = {}
        outputs: dict[str, dict[str, Path]] = {}
        begun: set[str] = set()
        changed = threading.Condition()
        slots = threading.Semaphore(template.get("parallelism", 100))

        def work(task: Json) -> None:
            found = self._task(task, known, artifacts, outputs, slots)
            with changed:
                done[task["name"]] = found
                changed.notify_all()

        with changed:
            while len(done) < len(tasks):
                for task in tasks:
                    needed = re.findall(r"[\w-]+", task.get("depends", ""))
                    if task["name"] in begun or not all(one in done for one in needed):
                        continue
                    begun.add(task["name"])
                    if all(done[one][0] == "Succeeded" for one in needed):
                        threading.Thread(target=work, args=(task,), daemon=True).start()
                    else:
                        done[task["name"]] = ("Omitted", "omitted: depends condition not met")
                        changed.notify_all()
                if len(done) < len(tasks):
                    changed.wait(0.5)
        for one in template.get("outputs", {}).get("artifacts", []):
            gives[one["name"]] = self._from(one["from"], artifacts, outputs)
        failed = [message for phase, message in done.values() if phase in ("Failed", "Error")]
        return ("Failed", failed[0]) if failed else ("Succeeded", "")

    def _task(
        self, task: Json, known: Mapping[str, str], artifacts: Mapping[str, Path],
        outputs: dict[str, dict[str, Path]], slots: threading.Semaphore,
    ) -> tuple[str, str]:  # fmt: skip
        items = task.get("withItems", [None])
        found: list[tuple[str, str]] = [("", "")] * len(items)

        def one(number: int, item: Any) -> None:
            more = {f"item.{key}": value for key, value in (item or {}).items()}
            arguments = _filled(task.get("arguments", {}), {**known, **more})
            parameters = {p["name"]: p["value"] for p in arguments.get("parameters", [])}
            given = {}
            for artifact in arguments.get("artifacts", []):
                given[artifact["name"]] = self._from(artifact["from"], artifacts, outputs)
            said = ",".join(f"{key}:{value}" for key, value in (item or {}).items())
            display = task["name"] if item is None else f"{task['name']}({number}:{said})"
            with slots:
                gives = outputs.setdefault(task["name"], {})
                if not self.stopped.is_set():
                    found[number] = self._execute(
                        task["template"], parameters, given, display, gives
                    )
                else:
                    found[number] = ("Failed", "workflow shutdown with strategy:  Terminate")

        threads = [
            threading.Thread(target=one, args=pair, daemon=True) for pair in enumerate(items)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bad = [pair for pair in found if pair[0] != "Succeeded"]
        return bad[0] if bad else ("Succeeded", "")

    def _from(
        self, tag: str, artifacts: Mapping[str, Path], outputs: Mapping[str, Mapping[str, Path]]
    ) -> Path:
        reference = tag.strip("{} ").split(".")
        if reference[0] == "inputs":
            return artifacts[reference[2]]
        return outputs[reference[1]][reference[4]]

    def _resource(self, template: Json) -> tuple[str, str]:
        manifest = json.loads(template["resource"]["manifest"])
        assert manifest["kind"] == "Service" and template["resource"]["action"] == "create"
        assert manifest["spec"]["clusterIP"] == "None"
        manifest["metadata"]["namespace"] = self.namespace
        self.api.store.put("services", manifest, "ADDED")
        self.network = f"argo-test-{self.name}"
        subprocess.run(
            ["docker", "network", "create", self.network], check=True, capture_output=True
        )
        return "Succeeded", ""

    def _pod(
        self, identity: str, template: Json, artifacts: Mapping[str, Path], gives: dict[str, Path]
    ) -> tuple[str, str]:
        pod = (
            identity if identity == self.name else f"{self.name}-{template['name']}-{identity[-4:]}"
        )
        labels = {"workflows.argoproj.io/workflow": self.name}
        self.api.store.put("pods", {
            "metadata": {"name": pod, "namespace": self.namespace, "labels": labels,
                         "annotations": {"workflows.argoproj.io/node-id": identity}},
        }, "ADDED")  # fmt: skip
        container = template["container"]
        if self.api.weather.full_for:
            self._node(identity, message="Unschedulable: 0/1 nodes are available: 1 Too many pods.")
            time.sleep(self.api.weather.full_for)
            self._node(identity, message="")
        pulled = subprocess.run(
            ["docker", "pull", "-q", container["image"]], capture_output=True, text=True
        )
        if pulled.returncode and not _is_here(container["image"]):
            return "Error", f"ImagePullBackOff: {pulled.stderr.strip()}"
        mounts, options = self._mounts(pod, template, artifacts)
        if "podSpecPatch" in template:
            options += self._network(json.loads(template["podSpecPatch"]), labels)
        env = _environment(container)
        limits = container.get("resources", {}).get("limits", {})
        if "memory" in limits:
            options += ["--memory", str(_bytes(limits["memory"]))]
        for source, target, read_only in mounts:
            only = ",readonly" if read_only else ""
            options += ["--mount", f"type=bind,source={source},target={target}{only}"]
        for name, value in env.items():
            options += ["--env", f"{name}={value}"]
        words: list[str] = container["command"] + container.get("args", [])
        entry, *arguments = words
        arguments = [_expanded(one, env) for one in arguments]
        argv = ["docker", "run", "--name", pod, "--workdir", container["workingDir"],
                "--entrypoint", entry, *options, container["image"], *arguments]  # fmt: skip
        self.containers.append(pod)
        code, late = self._run(pod, argv, template, lambda: self._node(identity, phase="Running"))
        for one in template.get("outputs", {}).get("artifacts", []):
            self._keep(one, mounts, identity, gives)
        if late:
            return "Failed", "Pod was active on the node longer than the specified deadline"
        self._node(identity, outputs={"exitCode": str(code)})
        return ("Succeeded", "") if code == 0 else ("Failed", f"Error (exit code {code})")

    def _run(self, pod: str, argv: list[str], template: Json, begun: Any) -> tuple[int, bool]:
        log = Log(self.folder / f"{pod}.log")
        log.path.parent.mkdir(parents=True, exist_ok=True)
        log.path.write_text(ARGOS_WORD)
        deadline = template.get("activeDeadlineSeconds")
        with log.path.open("ab") as file:
            child = subprocess.Popen(argv, stdout=file, stderr=file)
            self.api.logs[pod] = log
            begun()
            try:
                code, late = child.wait(int(deadline) if deadline else None), False
            except subprocess.TimeoutExpired:
                subprocess.run(["docker", "kill", pod], capture_output=True)
                code, late = child.wait(), True
        log.ended.set()
        return code, late

    def _mounts(
        self, pod: str, template: Json, artifacts: Mapping[str, Path]
    ) -> tuple[list[tuple[str, str, bool]], list[str]]:
        volumes = {one["name"]: one for one in template.get("volumes", [])}
        mounts, options = [], []
        for one in template["container"].get("volumeMounts", []):
            volume = volumes[one["name"]]
            empty = volume.get("emptyDir", {})
            if empty.get("medium") == "Memory":
                assert one["mountPath"] == "/dev/shm"
                options += ["--shm-size", str(_bytes(empty["sizeLimit"]))]
                continue
            if "emptyDir" in volume:
                source = self.folder / pod / one["name"]
            elif "persistentVolumeClaim" in volume:
                source = self.controller.claims / volume["persistentVolumeClaim"]["claimName"]
                assert source.is_dir(), f"there is no claim {source.name}"
            else:
                source = Path(volume["hostPath"]["path"])
            below = source / one.get("subPath", "")
            if not below.exists():
                below.mkdir(parents=True)  # as the kubelet does
            mounts.append((str(below), one["mountPath"], bool(one.get("readOnly"))))
        for one in template.get("inputs", {}).get("artifacts", []):
            if "s3" in one:
                found = self.controller.repository / one["s3"]["bucket"] / one["s3"]["key"]
            else:
                found = artifacts[one["name"]]
            target = self.folder / pod / f"in-{one['name']}"
            _copy(found, target)
            mounts.append((str(target), one["path"], False))
        return mounts, options

    def _network(self, patch: Json, labels: Mapping[str, str]) -> list[str]:
        """A pod has a name below a Service's when the Service selects it and the pod says so."""
        service = self.api.store.get("services", self.namespace, patch["subdomain"])
        assert service is not None, f"there is no service {patch['subdomain']}"
        assert service["spec"]["publishNotReadyAddresses"] is True
        selector = service["spec"]["selector"]
        assert all(labels.get(key) == value for key, value in selector.items())
        name = f"{patch['hostname']}.{patch['subdomain']}"
        return ["--network", self.network, "--hostname", patch["hostname"], "--network-alias", name]

    def _keep(
        self, artifact: Json, mounts: list[tuple[str, str, bool]], node: str, gives: dict[str, Path]
    ) -> None:
        inner = max(
            (one for one in mounts if artifact["path"].startswith(one[1])),
            key=lambda one: len(one[1]),
        )
        found = Path(inner[0]) / artifact["path"][len(inner[1]) :].lstrip("/")
        kept = self.controller.repository / "runs" / self.name / node / artifact["name"]
        if found.exists():
            _copy(found, kept)
            gives[artifact["name"]] = kept
        else:
            assert artifact.get("optional"), f"there is no {artifact['path']}"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def _is_here(image: str) -> bool:
    return (
        subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode == 0
    )


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\{\{\s*([^{}]+?)\s*\}\}", lambda tag: known.get(tag[1], tag[0]), value)
    if isinstance(value, dict):
        return {key: _filled(one, known) for key, one in value.items()}
    return [_filled(one, known) for one in value] if isinstance(value, list) else value


def _environment(container: Json) -> dict[str, str]:
    env: dict[str, str] = {}
    for one in container.get("env", []):
        env[one["name"]] = _expanded(one["value"], env)
    return env


def _expanded(text: str, env: Mapping[str, str]) -> str:
    """The kubelet's `$(NAME)`; `$$` is one dollar."""
    out, at = "", 0
    while at < len(text):
        if text.startswith("$$", at):
            out, at = out + "$", at + 2
        elif text.startswith("$(", at) and (end := text.find(")", at)) > 0:
            name = text[at + 2 : end]
            out, at = out + env.get(name, f"$({name})"), end + 1
        else:
            out, at = out + text[at], at + 1
    return out


def _bytes(quantity: str) -> int:
    for unit, size in SIZES.items():
        if quantity.endswith(unit):
            return int(float(quantity.removesuffix(unit)) * size)
    return int(quantity)
