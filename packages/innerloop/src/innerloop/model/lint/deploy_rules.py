"""All problems of a deploy folder that can be known before anything is built or sent.

Sources: the schemas of azure-ai-ml 1.35 for managed online endpoints and deployments; Azure Machine
Learning, "Manage resources and quotas" (names, time limits of requests).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...util import yaml_text
from ...util.errors import UserError, close_words, did_you_mean
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ...util.yaml_text import YamlText
from ..deployment import (
    DEPLOYMENT_ENDINGS,
    ENDPOINT_FILE,
    NAME,
    NAME_RULE,
    SAMPLE,
    Deployment,
    deployment_file,
    parse_endpoint,
    read_deployment,
)
from .finding import INFO, WARNING, Files, Finding, finding_of, mapping_of
from .fixes import in_place
from .server_rules import check_server

_ENDPOINT = (
    "$schema", "name", "description", "tags", "properties", "auth_mode", "traffic",
    "mirror_traffic", "identity", "public_network_access", "kind", "location", "defaults",
)  # fmt: skip
_DEPLOYMENT = (
    "$schema", "type", "name", "description", "tags", "properties", "endpoint_name", "model",
    "code_configuration", "environment", "environment_variables", "instance_count",
    "instance_type", "app_insights_enabled", "scale_settings", "request_settings",
    "liveness_probe", "readiness_probe", "model_mount_path", "egress_public_network_access",
    "private_network_connection", "data_collector",
)  # fmt: skip
_PROBE = ("initial_delay", "period", "timeout", "success_threshold", "failure_threshold")
_BELOW = {
    "request_settings": (
        "request_timeout_ms",
        "max_concurrent_requests_per_instance",
        "max_queue_wait_ms",
    ),
    "liveness_probe": _PROBE,
    "readiness_probe": _PROBE,
}
_AUTH = ("key", "aml_token", "aad_token")
_LONGEST = 180_000  # milliseconds that a request may take
# Standard_DS3_v2, Standard_NC4as_T4_v3, Standard_E4-2s_v5: family, cores, features, accelerator.
# Azure compares the names of sizes without case.
_SIZE = late_pattern(
    r"Standard_[A-Z]{1,3}\d+(?:-\d+)?[a-z]*(?:_[A-Z][A-Z0-9]*)?(?:_v\d+)?", re.IGNORECASE
)


def check_folder(folder: str, names: Sequence[str], trained: str, files: Files) -> list[Finding]:
    """All findings of a deploy folder, sorted by position.

    `names` are the files directly in it, and `trained` is the folder of the environment that trains
    the model. Never raises `UserError`.
    """
    try:
        file = f"{folder}/{deployment_file(names, folder)}"
    except UserError as error:
        candidates = [name for name in names if name.endswith(DEPLOYMENT_ENDINGS)]
        position = Position(f"{folder}/{candidates[0] if candidates else ENDPOINT_FILE}", 1, 1)
        return [Finding(position, error.what, error.hint, error.code)]
    findings: list[Finding] = []
    parsed = _read(file, files, findings)
    if parsed is not None:
        findings += _deployment(parsed, folder, names, trained, files)
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.position)


def _read(file: str, files: Files, findings: list[Finding]) -> YamlText | None:
    """The parsed file, or None; its problems are added to `findings`."""
    try:
        parsed = yaml_text.parse(files.read(file) or "", file)
    except UserError as error:
        findings.append(finding_of(error))
        return None
    if (refusal := yaml_text.refused_elsewhere(parsed.source, file)) is not None:
        findings.append(finding_of(refusal, WARNING))
    for position, key in parsed.duplicates():
        message = f'the key "{key}" occurs twice'
        hint = "Remove one: only the last counts"
        findings.append(Finding(position, message, hint, "key-duplicate", INFO))
    if not isinstance(parsed.value, dict):
        message, hint = "not a deployment or an endpoint: expected a YAML mapping", "Write its keys"
        findings.append(Finding(Position(file, 1, 1), message, hint, "not-a-mapping"))
        return None
    return parsed


def _deployment(
    parsed: YamlText, folder: str, names: Sequence[str], trained: str, files: Files
) -> Iterator[Finding]:
    deployment, problems = read_deployment(parsed)
    yield from (finding_of(problem) for problem in problems)
    yield from _keys(parsed, _DEPLOYMENT)
    for key, known in _BELOW.items():
        yield from _keys(parsed, known, key)
    if deployment.name:
        yield from _name(parsed, "name", deployment.name, "deployment")
    if deployment.endpoint_name:
        yield from _name(parsed, "endpoint_name", deployment.endpoint_name, "endpoint")
    yield from _model(deployment)
    yield from _size(deployment)
    yield from _limits(deployment)
    yield from _endpoint(deployment, folder, names, files)
    if not any(name.rpartition(".")[0] == SAMPLE for name in names):
        yield Finding(
            Position(parsed.name, 1, 1),
            f"{folder}/{SAMPLE}.* does not exist, so the server cannot be tested",
            "Add a request as a client would send it: .json, .png ...",
            "sample-missing",
            INFO,
        )
    yield from check_server(deployment, folder, names, trained, files)


def _endpoint(
    deployment: Deployment, folder: str, names: Sequence[str], files: Files
) -> Iterator[Finding]:
    file = f"{folder}/{ENDPOINT_FILE}"
    if ENDPOINT_FILE not in names:
        if not deployment.endpoint_name and deployment.document.get("endpoint_name") is None:
            message = f"the deployment has no endpoint_name, and {file} does not exist"
            hint = f"Name its endpoint, here or in {ENDPOINT_FILE}"
            yield Finding(
                deployment.where("endpoint_name"), message, hint, "deployment-key-missing"
            )
        return
    findings: list[Finding] = []
    parsed = _read(file, files, findings)
    yield from findings
    if parsed is None:
        return
    try:
        endpoint = parse_endpoint(parsed.source, file)
    except UserError as error:
        yield finding_of(error)
        return
    yield from _keys(parsed, _ENDPOINT)
    if not deployment.endpoint_name:
        yield from _name(parsed, "name", endpoint.name, "endpoint")
    elif endpoint.name != deployment.endpoint_name:
        yield Finding(
            deployment.where("endpoint_name"),
            f"the deployment names the endpoint {deployment.endpoint_name}, and {file} describes "
            f"{endpoint.name}",
            f"Write endpoint_name: {endpoint.name}",
            "endpoint-mismatch",
            WARNING,
        )
        yield from _name(parsed, "name", endpoint.name, "endpoint")
    if endpoint.auth_mode not in _AUTH:
        message = f"auth_mode is {endpoint.auth_mode}"
        hint = f"Write one of {', '.join(_AUTH)}"
        yield Finding(endpoint.where("auth_mode"), message, hint, "not-a-choice", WARNING)


def _keys(parsed: YamlText, known: Sequence[str], *at: str) -> Iterator[Finding]:
    holder: Mapping[str, Any] = parsed.value
    for key in at:
        holder = mapping_of(holder.get(key))
    for key in holder:
        if str(key) not in known:
            below = f" below {at[-1]}" if at else ""
            message = f'Azure ML has no key "{key}"{below}'
            hint, position = did_you_mean(str(key), list(known)), parsed.where(*at, str(key))
            fixes = in_place(position, close_words(str(key), list(known)))
            yield Finding(position, message, hint, "key-unknown", WARNING, fixes)


def _name(parsed: YamlText, key: str, name: str, kind: str) -> Iterator[Finding]:
    if not NAME.fullmatch(name):
        message = f'the {kind} name "{name}" is refused'
        yield Finding(parsed.where(key), message, f"Use {NAME_RULE}", "name-refused", WARNING)


def _model(deployment: Deployment) -> Iterator[Finding]:
    model, mount = deployment.model, deployment.model_mount_path
    if model.name and not (model.version or model.label or model.path):
        message = f"the model has neither a version nor a label: {model.name}"
        hint = f"Write azureml:{model.name}@latest, or azureml:{model.name}:1"
        yield Finding(deployment.where("model"), message, hint, "version-missing", WARNING)
    position = deployment.where("model_mount_path")
    if not posixpath.isabs(mount) or posixpath.normpath(mount) == "/":
        message = f"the model cannot be mounted at {mount}"
        yield Finding(
            position, message, "Write a folder such as /var/azureml-model", "mount-invalid"
        )
    for name, value in deployment.environment_variables.items():
        below = value.removeprefix(f"{mount.rstrip('/')}/")
        if below != value and model.name and below.split("/")[0] != model.name:
            yield Finding(
                deployment.where("environment_variables", name),
                f"{name} is {value}, and the model is mounted at {mount}/{model.name}/<version>",
                "Remove it: AZUREML_MODEL_DIR names that folder, with its version",
                "model-path-fixed",
            )


def _size(deployment: Deployment) -> Iterator[Finding]:
    size, position = deployment.instance_type, deployment.where("instance_type")
    hint = "Write a size such as Standard_DS3_v2"
    if not size:
        message = "the deployment has no instance_type"
        yield Finding(position, message, hint, "instance-type-missing", WARNING)
    elif not _SIZE.fullmatch(size):
        yield Finding(
            position,
            f"{size} is not a machine size of Azure",
            hint,
            "instance-type-unknown",
            WARNING,
        )
    if deployment.instance_count < 1:
        position = deployment.where("instance_count")
        message = f"instance_count is {deployment.instance_count}"
        yield Finding(position, message, "Write 1 or more", "number-out-of-range", WARNING)


def _limits(deployment: Deployment) -> Iterator[Finding]:
    at, limit = ("request_settings", "request_timeout_ms"), deployment.requests.request_timeout_ms
    if not 1 <= limit <= _LONGEST:
        message = f"request_timeout_ms is {limit}: it must be 1 to {_LONGEST}"
        yield Finding(
            deployment.where(*at), message, "Write milliseconds", "number-out-of-range", WARNING
        )
    for key, probe in (
        ("liveness_probe", deployment.liveness_probe),
        ("readiness_probe", deployment.readiness_probe),
    ):
        for name in _PROBE:
            if getattr(probe, name) < (name != "initial_delay"):
                message = f"{key}.{name} is {getattr(probe, name)}"
                hint = "Write 1 or more (seconds, or how often)"
                yield Finding(
                    deployment.where(key, name), message, hint, "number-out-of-range", WARNING
                )
