"""Plan a blue-green rollout from the endpoint's state. Pure.

The endpoint's tags name the deployments: `innerloop.new` was given traffic last, `innerloop.old` is
kept until `--finish` or `--rollback`. They change in the same request as the traffic. A deployment's
own tags have a fingerprint of its content. A deployment of ours without traffic that is not the old
one is a spare: the next deployment replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from ....util.errors import UserError
from ....util.quick_dataclasses import dataclass
from ..worker.job_states import FAILED

NEW, OLD = "innerloop.new", "innerloop.old"
FINGERPRINT, EXPERIMENT = "innerloop.fingerprint", "innerloop.experiment"
NAMES = ("blue", "green")

Traffic = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """One deployment; `traffic` in percent, `model` and `environment` as name:version."""

    name: str
    state: str
    traffic: int = 0
    model: str = ""
    environment: str = ""
    instance: str = ""
    count: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return self.tags.get(FINGERPRINT, "")


@dataclass(frozen=True, slots=True)
class EndpointState:
    """An endpoint; `state` is "" if it does not exist. `settings` have the keys of endpoint.yaml."""

    name: str
    state: str = ""
    url: str = ""
    auth: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    deployments: tuple[DeploymentState, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def find(self, name: str) -> DeploymentState | None:
        return next(
            (deployment for deployment in self.deployments if deployment.name == name), None
        )

    @property
    def traffic(self) -> dict[str, int]:
        return {
            deployment.name: deployment.traffic
            for deployment in self.deployments
            if deployment.traffic
        }

    @property
    def new(self) -> DeploymentState | None:
        """The deployment that was given traffic last.

        It is the tagged one, else the only one with traffic. A tag on a deployment without traffic
        is outdated: traffic was moved by hand.
        """
        carriers = [deployment for deployment in self.deployments if deployment.traffic]
        named = self.find(self.tags.get(NEW, ""))
        return named if named in carriers else carriers[0] if len(carriers) == 1 else None

    @property
    def old(self) -> DeploymentState | None:
        """The deployment that is kept for a rollback; None if it was deleted."""
        found = self.find(self.tags.get(OLD, ""))
        return None if found is not None and found == self.new else found

    @property
    def spares(self) -> tuple[DeploymentState, ...]:
        """Our deployments without traffic that are not kept: they failed or were rolled back."""
        kept = {deployment.name for deployment in (self.new, self.old) if deployment is not None}
        return tuple(
            deployment
            for deployment in self.deployments
            if deployment.fingerprint and not deployment.traffic and deployment.name not in kept
        )

    def role(self, deployment: DeploymentState) -> str:
        if self.old is not None and deployment.name == self.old.name:
            return "old"
        if deployment.traffic or (self.new is not None and deployment.name == self.new.name):
            return "new" if self.old is not None else "serves"
        return "spare" if deployment in self.spares else ""


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What a rollout will do.

    `name` is the deployment that gets traffic. With `reuse` it exists already with the same
    content. `gone` are deleted first. `before` and `after` are the traffic; `old` is kept.
    """

    name: str
    reuse: bool
    gone: tuple[str, ...]
    before: Traffic
    after: Traffic
    old: str = ""

    @property
    def nothing(self) -> bool:
        return self.reuse and dict(self.before) == dict(self.after)


def endpoint_state(answer: Mapping[str, Any] | None, name: str) -> EndpointState:
    """The worker's answer to `endpoint_get` as a value; None is an endpoint that does not exist."""
    if answer is None:
        return EndpointState(name)
    deployments = tuple(DeploymentState(**fields) for fields in answer["deployments"])
    known = {key: answer[key] for key in ("name", "state", "url", "auth", "tags", "settings")}
    return EndpointState(**known, deployments=deployments)


def plan_rollout(
    now: EndpointState, fingerprint: str, share: int, name: str = "", experiment: str = "EXP"
) -> RolloutPlan:
    """The rollout to a deployment of this fingerprint with `share` percent of the traffic.

    Raises UserError if an earlier rollout must be finished first. `experiment` is for messages.
    """
    same = next(
        (deployment for deployment in now.deployments if _is_same(deployment, fingerprint, name)),
        None,
    )
    carriers = [
        deployment for deployment in now.deployments if deployment.traffic and deployment != same
    ]
    if same is None and now.old is not None and now.new is not None:
        raise UserError(
            f"the last deployment of {now.name} is not finished: {now.old.name} is kept beside "
            f"{now.new.name} ({format_traffic(now.traffic)})",
            code="rollout-unfinished",
            hint=f"`scripts/loop deploy {experiment} --finish` deletes {now.old.name}, `--rollback` "
            "goes back to it; then deploy again",
        )
    if len(carriers) > 1:
        raise _split_by_hand(now)
    old = carriers[0].name if carriers else (now.old.name if now.old and now.old != same else "")
    if same is not None:
        after = _traffic_after(now, same.name, carriers, share)
        return RolloutPlan(same.name, True, (), now.traffic, after, old)
    gone = tuple(deployment.name for deployment in now.spares)
    kept = {deployment.name for deployment in now.deployments} - set(gone)
    chosen = name or next((free for free in NAMES if free not in kept), "")
    if not chosen or chosen in kept:
        raise UserError(
            f"{now.name} has {' and '.join(sorted(kept))} already",
            code="deployment-name-taken",
            hint="Choose another name for the new deployment: --name NAME",
        )
    return RolloutPlan(
        chosen, False, gone, now.traffic, _traffic_after(now, chosen, carriers, share), old
    )


def _is_same(deployment: DeploymentState, fingerprint: str, name: str) -> bool:
    """A failed deployment does not count: it is replaced."""
    return (
        deployment.fingerprint == fingerprint
        and name in ("", deployment.name)
        and deployment.state not in FAILED
    )


def _traffic_after(
    now: EndpointState, name: str, carriers: Sequence[DeploymentState], share: int
) -> dict[str, int]:
    """The new deployment's share, and the rest for the one that has traffic now.

    An endpoint's first deployment gets all traffic. A share of 0 changes nothing.
    """
    if share == 0 and not now.traffic.get(name):
        return now.traffic
    others = [deployment.name for deployment in carriers]
    if not others and now.old is not None and now.old.name != name:
        others = [now.old.name]
    if not others:
        return {name: 100}
    return {key: part for key, part in ((name, share), (others[0], 100 - share)) if part}


def _split_by_hand(now: EndpointState) -> UserError:
    return UserError(
        f"the traffic of {now.name} was split by hand ({format_traffic(now.traffic)})",
        code="traffic-split-by-hand",
        hint="Give one deployment all of it in the Azure ML studio first",
    )


def plan_finish(now: EndpointState) -> tuple[Traffic, tuple[str, ...]]:
    """All traffic to the new deployment, and the deployments to delete."""
    if now.new is None and now.traffic:
        raise _split_by_hand(now)
    if now.new is None:
        raise UserError(
            f"{now.name} has nothing to finish: no deployment has traffic", code="nothing-to-finish"
        )
    gone = [deployment.name for deployment in (now.old, *now.spares) if deployment is not None]
    return {now.new.name: 100}, tuple(gone)


def rollback_plan(now: EndpointState, experiment: str = "EXP") -> tuple[Traffic, str]:
    """All traffic to the old deployment, and the deployment that loses it."""
    if now.old is None or now.new is None:
        raise UserError(
            f"{now.name} cannot be rolled back: no earlier deployment is kept",
            code="nothing-to-roll-back",
            hint=f"`scripts/loop endpoint status {experiment}` shows its deployments",
        )
    if now.old.state in FAILED:
        raise UserError(
            f"{now.old.name} is {now.old.state.lower()} and cannot take traffic",
            code="deployment-failed",
        )
    return {now.old.name: 100}, now.new.name


def format_traffic(traffic: Traffic) -> str:
    """`green 10 %, blue 90 %`."""
    parts = [f"{name} {share} %" for name, share in traffic.items() if share]
    return ", ".join(parts) or "no deployment has traffic"
