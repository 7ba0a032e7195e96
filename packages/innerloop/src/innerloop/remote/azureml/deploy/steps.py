"""The steps of a deployment, each asked of Azure alone, with a line for the person: what is
registered, made, tested, moved, taken away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....history import git_state
from ....util.errors import UserError
from ... import submission_store
from ...progress import say
from ..connection import Fault
from ..session import Talk, last, minutes, show_log
from ..submit.submission import workspace_of
from ..worker.job_states import UNSETTLED
from . import blue_green, endpoint_settings, store
from .blue_green import EndpointState, RolloutPlan
from .endpoint_settings import Difference
from .plan import Plan
from .store import Entry, note

TRIES = 5  # of the test request, where the server is not up yet
LINES = 30  # of a log that is shown


def make(
    talk: Talk, plan: Plan, now: EndpointState, move: RolloutPlan, model: str, fingerprint: str
) -> None:
    """Everything up to a deployment that runs; `model` is registered (name:version)."""
    if not plan.image.reference:
        _register_image(talk, plan)
    if not now.state:
        _make_endpoint(talk, plan)
    for one in move.gone:
        _make_room(talk, plan, now, one)
    entry = _before(talk.root, plan, move, model, fingerprint)
    _make_deployment(talk, plan, move, entry)


def register(talk: Talk, plan: Plan, identity: str) -> str:
    """The model as a version of the workspace: name:version. `identity` tells it from others."""
    source = plan.model
    path = str(talk.root / source.path) if source.kind == "folder" else source.azure_path
    tags = {blue_green.EXPERIMENT: plan.experiment.name, "innerloop.from": source.path[:256]}
    if source.kind == "folder":
        tags["innerloop.digest"] = source.digest
    else:
        tags["innerloop.source"] = identity
    told = talk.ask(
        "model_register",
        f"model {plan.model_name} from {source.words}",
        source.size,
        name=plan.model_name,
        path=path,
        type=plan.file.model.type,
        description=f"{plan.experiment.name}, from {source.words}",
        tags=tags,
    )
    model = f"{told['name']}:{told['version']}"
    where = "was there already: it is the same" if told["existed"] else "is registered"
    say(f"innerloop: model {model} {where}")
    return model


def _register_image(talk: Talk, plan: Plan) -> None:
    told = talk.ask(
        "environment_register",
        f"environment {plan.image.name}:{plan.image.version}",
        plan.image.size,
        name=plan.image.name,
        version=plan.image.version,
        file=str(talk.root / plan.file.file),
        root=str(talk.root),
        tags={blue_green.EXPERIMENT: plan.experiment.name},
    )
    where = "was there already" if told["existed"] else "is registered"
    say(f"innerloop: environment {plan.image.name}:{plan.image.version} {where}")


def _make_endpoint(talk: Talk, plan: Plan) -> None:
    named = plan.folder.endpoint
    assert named is not None
    talk.ask(
        "endpoint_make",
        f"making the endpoint {plan.endpoint}",
        name=plan.endpoint,
        file=str(talk.root / named.text.name),
        tags={blue_green.EXPERIMENT: plan.experiment.name},
    )
    say(f"innerloop: endpoint {plan.endpoint} is there")


def bring_in_line(talk: Talk, plan: Plan, now: EndpointState) -> None:
    """What endpoint.yaml says of an endpoint that is there. Its description and tags follow the
    file; what those who call it would notice, or what Azure does not change, is said."""
    named = plan.folder.endpoint
    if named is None or not now.state:
        return
    found = endpoint_settings.differences(named, now)
    for one in found:
        if not one.is_free:
            say(f"innerloop: {one.where}: {one.words}. {way_of(one, plan.experiment.name)}")
    if free := tuple(one for one in found if one.is_free):
        change(talk, now.name, named.text.name, free)


def way_of(one: Difference, how: str) -> str:
    if one.is_fixed:
        return (
            f"Azure takes that only as an endpoint is made: `scripts/loop endpoint delete {how}`, and "
            "deploy anew"
        )
    return f"Who calls it would notice: `scripts/loop endpoint update {how}` changes it"


def change(talk: Talk, endpoint: str, file: str, found: tuple[Difference, ...]) -> None:
    keys = ", ".join(one.key for one in found)
    talk.ask(
        "endpoint_change",
        f"{endpoint}: {keys} as in {file}",
        name=endpoint,
        file=str(talk.root / file),
        keys=[one.key for one in found if not one.tag],
        tags=[one.tag for one in found if one.tag],
    )
    say(f"innerloop: endpoint {endpoint} has these as in {file} now: {keys}")


def _make_room(talk: Talk, plan: Plan, now: EndpointState, name: str) -> None:
    """Takes a spare away; one that Azure is still making only once that has ended."""
    try:
        _wait(talk, plan, now, name)
    except Fault as fault:
        if fault.code != "deployment-failed":
            raise
    remove(talk, plan.endpoint, name)


def _wait(talk: Talk, plan: Plan, now: EndpointState, name: str) -> None:
    """Until Azure has ended what an earlier command began with a deployment; a `Fault` for one that
    did not come up."""
    found = now.find(name)
    if found is not None and found.state in UNSETTLED:
        words = f"{name} is {found.state.lower()} since an earlier try; waiting"
        talk.ask("deployment_settle", words, name=plan.endpoint, deployment=name)


def _before(root: Path, plan: Plan, move: RolloutPlan, model: str, fingerprint: str) -> Entry:
    """The ledger's entry, written before anything is made."""
    assert plan.target is not None
    git, patch = submission_store.code_of(git_state.read(root))
    entry = Entry(
        endpoint=plan.endpoint,
        deployment=move.name,
        fingerprint=fingerprint,
        experiment=plan.experiment.name,
        workspace=workspace_of(plan.target),
        state=store.MAKING,
        at=submission_store.now(),
        model=model,
        source=plan.model.words,
        digest=plan.model.digest,
        environment=plan.image.on_azure,
        git=git,
    )
    store.write(root, entry, patch)
    return entry


def _make_deployment(talk: Talk, plan: Plan, move: RolloutPlan, entry: Entry) -> None:
    try:
        talk.ask(
            "deployment_make",
            f"making the deployment {move.name} (Azure builds its image and starts it: minutes)",
            name=plan.endpoint,
            deployment=move.name,
            file=str(talk.root / plan.file.file),
            root=str(talk.root),
            model=entry.model,
            environment=entry.environment,
            tags={
                blue_green.FINGERPRINT: entry.fingerprint,
                blue_green.EXPERIMENT: plan.experiment.name,
                "innerloop.commit": str(entry.git.get("commit", "")),
            },
        )
    except Fault as fault:
        raise _failed(talk, plan, move, fault) from fault
    say(f"innerloop: deployment {move.name} is up")


def settle(talk: Talk, plan: Plan, now: EndpointState, move: RolloutPlan) -> None:
    """Waits for a deployment that an earlier command began."""
    try:
        _wait(talk, plan, now, move.name)
    except Fault as fault:
        raise _failed(talk, plan, move, fault) from fault


def _failed(talk: Talk, plan: Plan, move: RolloutPlan, fault: Fault) -> UserError:
    """A deployment that did not come up: its log is shown, and how to go on is said."""
    note(talk.root, plan.endpoint, move.name, state=store.FAILED)
    if fault.code != "deployment-failed":
        return fault
    build = talk.logs
    if build:
        show_log("the end of the image's build log", last(build, LINES))
    else:
        show_log(f"the end of {move.name}'s log", talk.tail(plan.endpoint, move.name, LINES))
    hint = f"{fault.hint}. {_looking(plan, move)}" if fault.hint else _looking(plan, move)
    how = f"the next `scripts/loop deploy {plan.experiment.name}` takes its place"
    return Fault(f"{fault.what}; no traffic was moved", hint=f"{hint}; {how}", code=fault.code)


def _looking(plan: Plan, move: RolloutPlan) -> str:
    how = f"{plan.experiment.name} --deployment {move.name}"
    return (
        f"`scripts/loop endpoint logs {how}` shows more, `scripts/loop endpoint delete {how}` takes "
        "it away"
    )


def test(talk: Talk, plan: Plan, move: RolloutPlan) -> None:
    """The sample request, to this deployment alone; a `Mistake` for every answer but 200."""
    told: dict[str, Any] = talk.ask(
        "endpoint_probe",
        f"test request to {move.name}: {plan.sample}",
        name=plan.endpoint,
        deployment=move.name,
        file=str(talk.root / plan.sample),
        type=plan.content,
        tries=TRIES,
    )
    if told["status"] == 200:
        text = " ".join(told["text"].split())
        say(f"innerloop: test request answered in {_milliseconds(told['seconds'])}: {text[:160]}")
        return
    note(talk.root, plan.endpoint, move.name, state=store.FAILED)
    show_log(f"the end of {move.name}'s log", talk.tail(plan.endpoint, move.name, LINES))
    said = " ".join(told["text"].split())[:300].rstrip(".")
    status = f"was answered {told['status']}" if told["status"] else "was not answered"
    raise UserError(
        f"the test request to {move.name} {status}: {said}; no traffic was moved",
        hint=f"{_looking(plan, move)}; the next `scripts/loop deploy {plan.experiment.name}` tests "
        "it again, or takes its place when something has changed",
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else minutes(seconds)


def shift(talk: Talk, endpoint: str, traffic: blue_green.Traffic, tags: dict[str, str]) -> None:
    talk.ask(
        "endpoint_traffic",
        f"traffic of {endpoint}: {blue_green.words(traffic)}",
        name=endpoint,
        traffic=dict(traffic),
        tags=tags,
    )


def remove(talk: Talk, endpoint: str, deployment: str) -> None:
    words = f"taking {deployment} away"
    talk.ask("deployment_remove", words, name=endpoint, deployment=deployment)
    say(f"innerloop: deployment {deployment} is gone")
