"""Endpoint and deployment files: what they say, and the sentence for what they cannot."""

from __future__ import annotations

import pytest

from innerloop.model.deployment import (
    Model,
    Probe,
    Requests,
    Route,
    parse_deployment,
    parse_endpoint,
)
from innerloop.util.errors import UserError
from innerloop.util.position import Position

FULL = """name: blue
endpoint_name: digits
model: azureml:digits@latest
model_mount_path: /var/azureml-model/
environment_variables: {WORKERS: 2, EMPTY: }
environment:
  build: {path: ., dockerfile_path: other/Dockerfile}
  inference_config:
    liveness_route: {port: 8080, path: /ping}
    readiness_route: {port: 8080, path: /ready}
    scoring_route: {port: 8080, path: /predictions/digits}
instance_type: Standard_DS3_v2
instance_count: 2
request_settings: {request_timeout_ms: 3000, max_concurrent_requests_per_instance: 8}
liveness_probe: {initial_delay: 60, failure_threshold: 5}
"""


def test_all_that_is_modelled() -> None:
    deployment = parse_deployment(FULL, "src/d/deploy/x-deployment.yaml")
    assert (deployment.name, deployment.endpoint_name) == ("blue", "digits")
    assert deployment.model == Model(name="digits", label="latest")
    assert deployment.environment.path == "."
    assert deployment.environment.dockerfile == "other/Dockerfile"
    assert deployment.scoring == Route("/predictions/digits", 8080)
    assert [key for key, _ in deployment.routes] == [
        "liveness_route",
        "readiness_route",
        "scoring_route",
    ]
    assert deployment.environment_variables == {"WORKERS": "2", "EMPTY": ""}
    assert (deployment.instance_type, deployment.instance_count) == ("Standard_DS3_v2", 2)
    assert deployment.requests == Requests(3000, 8, max_queue_wait_ms=500)
    assert deployment.liveness_probe == Probe(initial_delay=60, failure_threshold=5)
    assert deployment.readiness_probe == Probe()
    assert deployment.where("model_mount_path") == Position("src/d/deploy/x-deployment.yaml", 4, 1)


def test_the_model_is_mounted_as_azure_ml_does_it() -> None:
    deployment = parse_deployment(FULL, "x")
    assert deployment.model_folder("digits", "3") == "/var/azureml-model/digits/3"
    silent = parse_deployment("name: blue\nendpoint_name: digits\nenvironment: azureml:e:1\n", "x")
    assert silent.model_folder("digits", "3") == "/var/azureml-app/azureml-models/digits/3"
    assert silent.routes == () and silent.model == Model()


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("azureml:digits:4", Model(name="digits", version="4")),
        ("azureml:digits@latest", Model(name="digits", label="latest")),
        ("../../outputs/model", Model(path="../../outputs/model")),
        ("{path: ../model, name: d, type: mlflow_model}", Model("d", "", "", "../model", "mlflow_model")),
        (
            "azureml://registries/r/models/m/versions/1",
            Model(path="azureml://registries/r/models/m/versions/1"),
        ),
    ],
)  # fmt: skip
def test_a_model_is_a_registered_one_or_a_path(written: str, model: Model) -> None:
    text = f"name: blue\nendpoint_name: digits\nenvironment: azureml:e:1\nmodel: {written}\n"
    assert parse_deployment(text, "x").model == model


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "column"),
    [
        ("name: blue\n", "", "deployment-key-missing", 1, 1),
        ("endpoint_name: digits", "endpoint_name: 3", "deployment-key-missing", 2, 1),
        ("port: 8080, path: /ping", "port: 8080", "route-invalid", 9, 5),
        ("path: /ready", "path: ready", "route-invalid", 10, 5),
        ("instance_count: 2", "instance_count: two", "not-a-number", 13, 1),
        ("initial_delay: 60", "initial_delay: soon", "not-a-number", 15, 18),
        ("name: blue", "name: [", "not-yaml", 3, 6),
    ],
)
def test_invalid_deployment_raises_at_its_position(
    old: str, new: str, code: str, line: int, column: int
) -> None:
    with pytest.raises(UserError) as caught:
        parse_deployment(FULL.replace(old, new, 1), "x.yaml")
    assert caught.value.code == code
    assert caught.value.position == Position("x.yaml", line, column)


def test_an_endpoint() -> None:
    endpoint = parse_endpoint("name: digits\nauth_mode: aad_token\n", "endpoint.yaml")
    assert (endpoint.name, endpoint.auth_mode) == ("digits", "aad_token")
    assert parse_endpoint("name: digits\n", "e").auth_mode == "key"
    for text in ("auth_mode: key\n", "", "- name\n"):
        with pytest.raises(UserError, match="e:1:1: "):
            parse_endpoint(text, "e")
