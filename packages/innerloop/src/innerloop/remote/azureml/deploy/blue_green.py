"""Which deployment of an endpoint takes which part, decided from what Azure says of it. Pure.

The endpoint's tags say who is who: `innerloop.new` has been given traffic last, `innerloop.old` is
kept until `--finish` or `--rollback`. They change in the same request as the traffic. What a
deployment is made of stands in its own tags, by a fingerprint; one that is ours, has no traffic and
is not the old one is a spare, whose place the next deployment takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ....util.errors import UserError
from ..worker.job_states import FAILED

NEW, OLD = "innerloop.new", "innerloop.old"
FINGERPRINT, EXPERIMENT = "innerloop.fingerprint", "innerloop.experiment"
NAMES = ("blue", "green")

Traffic = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """One deployment as it stands; `traffic` in percent, `model` and `environment` name:version."""

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
    """An endpoint as it stands; `settings` are those that its file may name, by the file's keys."""

    name: str
    state: str = ""
    url: str = ""
    auth: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    deployments: tuple[DeploymentState, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def find(self, name: str) -> DeploymentState | None:
        return next((one for one in self.deployments if one.name == name), None)

    @property
    def traffic(self) -> dict[str, int]:
        return {one.name: one.traffic for one in self.deployments if one.traffic}

    @property
    def new(self) -> DeploymentState | None:
        """Who was given traffic last: by the tag, else the only one that has any. A tag that names
        somebody without traffic is out of date: it was moved by hand."""
        carriers = [one for one in self.deployments if one.traffic]
        named = self.find(self.tags.get(NEW, ""))
        return named if named in carriers else carriers[0] if len(carriers) == 1 else None

    @property
    def old(self) -> DeploymentState | None:
        """Who is kept for the way back; a name whose deployment has gone is nobody."""
        found = self.find(self.tags.get(OLD, ""))
        return None if found is not None and found == self.new else found

    @property
    def spares(self) -> tuple[DeploymentState, ...]:
        """Ours, without traffic, and not kept: tried and failed, or rolled back from."""
        kept = {one.name for one in (self.new, self.old) if one is not None}
        return tuple(
            one
            for one in self.deployments
            if one.fingerprint and not one.traffic and one.name not in kept
        )

    def role(self, one: DeploymentState) -> str:
        if self.old is not None and one.name == self.old.name:
            return "old"
        if one.traffic or (self.new is not None and one.name == self.new.name):
            return "new" if self.old is not None else "serves"
        return "spare" if one in self.spares else ""


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What a deployment changes. `name` takes part; `reuse`: it is there already, made of the same.
    `gone` are taken away first. `before` and `after` are the traffic; `old` is kept beside it."""

    name: str
    reuse: bool
    gone: tuple[str, ...]
    before: Traffic
    after: Traffic
    old: str = ""

    @property
    def nothing(self) -> bool:
        return self.reuse and dict(self.before) == dict(self.after)


def now_of(told: Mapping[str, Any] | None, name: str) -> EndpointState:
    """The worker's answer to `endpoint_look` as a value; an endpoint that is not there has no
    state."""
    if told is None:
        return EndpointState(name)
    made = tuple(DeploymentState(**one) for one in told["deployments"])
    known = {key: told[key] for key in ("name", "state", "url", "auth", "tags", "settings")}
    return EndpointState(**known, deployments=made)


def decide(
    now: EndpointState, fingerprint: str, share: int, name: str = "", how: str = "EXP"
) -> RolloutPlan:
    """The move to a deployment of this fingerprint with `share` percent of the traffic. A `Mistake`
    where an earlier move has to be ended first. `how`: the experiment's name, for its sentences."""
    same = next((one for one in now.deployments if _is_same(one, fingerprint, name)), None)
    carriers = [one for one in now.deployments if one.traffic and one != same]
    if same is None and now.old is not None and now.new is not None:
        raise UserError(
            f"the last deployment of {now.name} is not finished: {now.old.name} is kept beside "
            f"{now.new.name} ({words(now.traffic)})",
            hint=f"`scripts/loop deploy {how} --finish` takes {now.old.name} away, `--rollback` "
            "goes back to it; then deploy again",
        )
    if len(carriers) > 1:
        raise _split(now)
    old = carriers[0].name if carriers else (now.old.name if now.old and now.old != same else "")
    if same is not None:
        after = _after(now, same.name, carriers, share)
        return RolloutPlan(same.name, True, (), now.traffic, after, old)
    gone = tuple(one.name for one in now.spares)
    kept = {one.name for one in now.deployments} - set(gone)
    chosen = name or next((one for one in NAMES if one not in kept), "")
    if not chosen or chosen in kept:
        raise UserError(
            f"{now.name} has {' and '.join(sorted(kept))} already",
            hint="Choose another name for the new deployment: --name NAME",
        )
    return RolloutPlan(chosen, False, gone, now.traffic, _after(now, chosen, carriers, share), old)


def _is_same(one: DeploymentState, fingerprint: str, name: str) -> bool:
    """One that failed is none to go on with: another takes its place."""
    return one.fingerprint == fingerprint and name in ("", one.name) and one.state not in FAILED


def _after(
    now: EndpointState, name: str, carriers: Sequence[DeploymentState], share: int
) -> dict[str, int]:
    """The new one's share, and the rest for who has traffic now. The first of an endpoint takes all
    or nothing: there is nobody to share with. No share leaves everything as it is."""
    if share == 0 and not now.traffic.get(name):
        return now.traffic
    others = [one.name for one in carriers]
    if not others and now.old is not None and now.old.name != name:
        others = [now.old.name]
    if not others:
        return {name: 100}
    return {key: part for key, part in ((name, share), (others[0], 100 - share)) if part}


def _split(now: EndpointState) -> UserError:
    return UserError(
        f"the traffic of {now.name} was split by hand ({words(now.traffic)})",
        hint="Give one of them all of it in the Azure ML studio first",
    )


def finish(now: EndpointState) -> tuple[Traffic, tuple[str, ...]]:
    """All traffic to the new one, and who goes."""
    if now.new is None and now.traffic:
        raise _split(now)
    if now.new is None:
        raise UserError(f"{now.name} has nothing to finish: no deployment has traffic")
    gone = [one.name for one in (now.old, *now.spares) if one is not None]
    return {now.new.name: 100}, tuple(gone)


def rollback_plan(now: EndpointState, how: str = "EXP") -> tuple[Traffic, str]:
    """All traffic to the old one, and who loses it."""
    if now.old is None or now.new is None:
        raise UserError(
            f"{now.name} has nothing to go back to: no earlier deployment is kept",
            hint=f"`scripts/loop endpoint status {how}` shows what there is",
        )
    if now.old.state in FAILED:
        raise UserError(f"{now.old.name} is {now.old.state.lower()}, and cannot take traffic")
    return {now.old.name: 100}, now.new.name


def words(traffic: Traffic) -> str:
    """`green 10 %, blue 90 %`."""
    parts = [f"{name} {share} %" for name, share in traffic.items() if share]
    return ", ".join(parts) or "nobody has traffic"
