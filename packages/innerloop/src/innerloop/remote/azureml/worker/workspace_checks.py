"""Facts about the workspace for `loop doctor`, each (state, name, what, hint)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from azure.ai.ml import MLClient

from ...worker.protocol import Emit
from . import azure_errors
from .client_setup import credential, last_answer

Fact = tuple[str, str, str, str]
SCOPE = "https://management.azure.com/.default"


def doctor(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Stops if the sign-in or the workspace fails: nothing else can be asked then."""
    facts: list[Fact] = []
    for ask in (_sign_in, _workspace):
        try:
            facts.append(ask(client, request, emit))
        except Exception as error:
            facts.append(_bad(ask.__name__.strip("_").replace("_", "-"), error, request))
            return facts
    location = client.workspaces.get(request["target"]["workspace"]).location
    for name, jobs in request["computes"].items():
        facts += _compute(client, request, name, jobs, str(location or ""))
    if request["servers"]:
        facts.append(_endpoints(client, request))
        for server in request["servers"]:
            facts += _server(client, server, str(location or ""))
    return facts


def _sign_in(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Fact:
    credential(emit, device=bool(request.get("device"))).get_token(SCOPE)
    return "ok", "sign-in", "signed in to Azure", ""


def _workspace(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Fact:
    workspace = client.workspaces.get(request["target"]["workspace"])
    return "ok", "workspace", f"{workspace.name} answers, in {workspace.location}", ""


def _compute(
    client: MLClient, request: Mapping[str, Any], name: str, jobs: list[Any], location: str
) -> Iterator[Fact]:
    try:
        compute = client.compute.get(name)
    except Exception as error:
        yield _bad(f"compute {name}", error, request)
        return
    kind, size = str(compute.type), str(getattr(compute, "size", "") or "")
    yield "ok", f"compute {name}", f"{kind}{', ' + size if size else ''}, {_state(compute)}", ""
    for job in jobs:
        if wrong := _unfit(compute, kind, size, job):
            yield "bad", f"compute {name}", f"{job['name']}: {wrong}", "Name another compute there"
    if kind == "amlcompute" and size and location:
        yield from _quota(client, name, size, location)


def _unfit(compute: Any, kind: str, size: str, job: Mapping[str, Any]) -> str:
    """Why a job cannot use a compute; "" if it can.

    The names of Azure's sizes with a GPU begin with N (Standard_NC6s_v3).
    """
    nodes = job["nodes"]
    most = getattr(compute, "max_instances", None)
    if kind not in ("amlcompute", "computeinstance", "kubernetes"):
        return f"a compute of type {kind} cannot run jobs"
    if kind == "computeinstance" and nodes > 1:
        return f"the job needs {nodes} nodes, and a compute instance is one"
    if most is not None and nodes > int(most):
        return f"the job needs {nodes} nodes, and the cluster has at most {most}"
    if job["gpu"] == "all" and size and not size.lower().removeprefix("standard_").startswith("n"):
        return f"the experiment requires a GPU, and {size} has none"
    return ""


def _quota(client: MLClient, name: str, size: str, location: str) -> Iterator[Fact]:
    try:
        sizes = client.compute.list_sizes(location=location)
        family = next(
            (str(item.family) for item in sizes if str(item.name).lower() == size.lower()), ""
        )
        usage = [item for item in client.compute.list_usage(location=location) if _of(item, family)]
    except Exception:
        return  # reported only if the service reports it
    for item in usage if family else ():
        used, limit = _numbers(item)
        what = f"{used} of {limit} cores of {family} in use"
        if limit >= 0 and used >= limit:
            hint = "Request more in the studio (Quota), or wait until other jobs have ended"
            yield "note", f"quota {name}", what, hint
        else:
            yield "ok", f"quota {name}", what, ""


def _of(usage: Any, family: str) -> bool:
    name = usage.name.get("value") if isinstance(usage.name, dict) else usage.name
    name = getattr(name, "value", name)
    return str(name or "").lower().replace(" ", "") == family.lower().replace(" ", "")


def _endpoints(client: MLClient, request: Mapping[str, Any]) -> Fact:
    try:
        count = sum(item is not None for item in client.online_endpoints.list())
    except Exception as error:
        return _bad("endpoints", error, request)
    return "ok", "endpoints", f"accessible; there {'is' if count == 1 else 'are'} {count}", ""


# Azure reserves another fifth of a deployment's cores for upgrades. Source: Azure
# Machine Learning, "Virtual machine quota allocation for deployments".
_UPGRADE = 1.2


def _server(client: MLClient, server: Mapping[str, Any], location: str) -> Iterator[Fact]:
    """Whether the quota allows another deployment; nothing if the service does not report it."""
    kind, count = server["type"], server["count"]
    name = f"server {server['name']}"
    try:
        sizes = {
            str(item.name).lower(): item for item in client.compute.list_sizes(location=location)
        }
        usage = list(client.compute.list_usage(location=location))
    except Exception:
        return
    size = sizes.get(kind.lower())
    if size is None:
        hint = "Choose another instance_type in the deployment's file"
        yield "note", name, f"{kind} is not among the sizes that {location} offers", hint
        return
    cores = int(vars(size).get("vCPUs") or size.v_cp_us or 0) * count
    needed = int(cores * _UPGRADE + 0.999)
    for item in usage:
        if not _of(item, str(size.family)):
            continue
        used, limit = _numbers(item)
        what = f"{kind} x {count} needs {needed} cores of {size.family}; {used} of {limit} in use"
        if limit >= 0 and used + needed > limit:
            hint = "Request more in the studio (Quota), or choose a smaller instance_type"
            yield "note", name, what, hint
        else:
            yield "ok", name, what, ""


def _numbers(usage: Any) -> tuple[int, int]:
    """Cores in use, and their limit."""
    # The client keeps the service's spelling of the key beside an empty attribute of its own.
    used = vars(usage).get("currentValue") or usage.current_value or 0
    return int(used), int(usage.limit or 0)


def _state(compute: Any) -> str:
    state = getattr(compute, "provisioning_state", "") or getattr(compute, "state", "")
    return str(getattr(state, "value", state) or "there").lower()


def _bad(name: str, error: Exception, request: Mapping[str, Any]) -> Fact:
    last = last_answer()
    explained = azure_errors.explain(error, request, last.host, last)
    return "bad", name, explained.what, explained.hint
