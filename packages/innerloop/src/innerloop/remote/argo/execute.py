"""A submission to a cluster on its way: the images, the ledger before and after, what is known when
it breaks off."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ...history import git_state
from ...model.settings.argo_settings import ArgoSetting
from ...model.workspace import Workspace
from ...util.errors import combine
from .. import run_records, stream_job, submission_store, summary
from ..azureml.submit.submission import inputs_of
from ..progress import News, say
from ..submission_store import Entry
from . import images, plan
from .cluster_ref import Cluster
from .connection import Fault, Line
from .images import RunImage
from .plan import Submission


def run(
    args: argparse.Namespace, workspace: Workspace, submission: Submission, report: Path | None
) -> int:
    """`report` is the file that an orchestrator shows."""
    with Line(args.root) as line:
        with summary.of_start(report, submission.experiment.name):
            entry, cluster = _sent(args, workspace, submission, line)
        _say_where(entry, cluster, as_json=args.json)
        told = summary.begin(report, entry) if report else None

        def on_end(end: Mapping[str, Any]) -> None:
            if told is not None:
                summary.end(told, end)

        if not (args.stream or args.wait):
            return 0
        return stream_job.follow(
            args.root, entry.name, cluster, line, logs=args.stream, on_end=on_end
        )


def _sent(
    args: argparse.Namespace, workspace: Workspace, submission: Submission, line: Line
) -> tuple[Entry, Cluster]:
    if submission.images:
        images.require_registry(workspace)
    if submission.lacking:
        raise combine(submission.lacking)
    named = args.name is not None
    submission = _under_its_name(args.root, submission, named=named)
    cluster = _look(submission, line, named=named)
    if not args.json:
        for title, text in _preview(submission, cluster):
            print(f"{title:<13}{text}".rstrip(), flush=True)
    plan.refuse_secrets(list(submission.images.values()), args.allow_secrets)
    pushed = {
        variant: _pushed(workspace, submission, one) for variant, one in submission.images.items()
    }
    submission = plan.with_images(workspace, submission, pushed, cluster.namespace)
    return _send(args.root, submission, cluster, line, named=named), cluster


def _under_its_name(root: Path, submission: Submission, *, named: bool) -> Submission:
    """The same submission again after an interruption goes on under the name that it had."""
    submission_store.require_new(root, submission.name)
    earlier = None if named else submission_store.cut_off(root, submission.fingerprint)
    return submission if earlier is None else replace(submission, name=earlier.name)


def _look(submission: Submission, line: Line, *, named: bool) -> Cluster:
    """Whether the cluster would take it, before an image is built."""
    setting = submission.setting
    target = Cluster(setting.context, setting.namespace)
    news = News("asking the cluster")
    try:
        told = line.ask(
            "look",
            target,
            news.on_event,
            name=submission.name,
            manifest=submission.wanted.manifest,
            ours=not named,
        )
    finally:
        news.end()
    return Cluster(setting.context, told["namespace"], told["server"])


def _preview(submission: Submission, cluster: Cluster) -> Iterator[tuple[str, str]]:
    yield "cluster", f"{cluster.server}, namespace {cluster.namespace}"
    yield "job", f"{submission.name} ({submission.job.kind})"
    for pod in submission.wanted.pods:
        if len(submission.wanted.pods) > 1:
            yield "pod", pod.template
        yield "command", " ".join(pod.command.split())
        yield "image", pod.image
    for index, (name, value) in enumerate(inputs_of(submission.job).items()):
        yield "" if index else "inputs", f"{name} = {value}"
    yield "outputs", kept(submission.setting, submission.name)
    for note in submission.wanted.request.notes:
        yield "note", note


def kept(setting: ArgoSetting, name: str) -> str:
    """Where ./outputs are in the cluster, in words."""
    store = setting.outputs
    if store is None:
        return "Argo's artifact repository, artifact outputs"
    ((kind, source),) = store.source.items()
    words = source.get("claimName") or source.get("path") or kind
    server = f"{source['server']}:" if "server" in source else ""
    return "/".join(filter(None, [f"{server}{words}", store.path, name]))


def _pushed(workspace: Workspace, submission: Submission, image: RunImage) -> RunImage:
    there = images.found(image)
    if there.digest:
        say(f"innerloop: {image.named} is in the registry already")
        return there
    return images.push(workspace, submission.experiment, image, say)


def _send(
    root: Path, submission: Submission, cluster: Cluster, line: Line, *, named: bool
) -> Entry:
    entry = _before(root, submission, cluster)
    news = News(f"sending {entry.name} to {cluster.namespace}")
    try:
        told = line.ask(
            "submit",
            cluster,
            news.on_event,
            name=entry.name,
            manifest=submission.wanted.manifest,
            ours=not named,
        )
    except Fault as fault:
        news.end()
        if fault.code not in ("network", "hangs", "other", "service"):
            submission_store.update(root, entry, state=submission_store.REFUSED)
            raise
        raise Fault(fault.what, hint=_unknown(entry), code=fault.code) from fault
    except KeyboardInterrupt:
        news.end()
        say(f"innerloop: {_unknown(entry)}")
        raise
    news.end()
    if told["existed"]:
        say("innerloop: an earlier try had arrived: this is that job, and none was made twice")
    entry = submission_store.update(root, entry, state=submission_store.SENT, status="Queued")
    run_records.note(root, entry)
    return entry


def _unknown(entry: Entry) -> str:
    return (
        f"Whether {entry.name} has arrived is not known: `scripts/loop status {entry.name}` tells, "
        "and the same command again goes on without making it twice"
    )


def _before(root: Path, submission: Submission, cluster: Cluster) -> Entry:
    git, patch = submission_store.code_of(git_state.read(root))
    codes = [one.code for one in submission.images.values() if one.code]
    request = submission.wanted.request
    entry = Entry(
        name=submission.name,
        experiment=submission.experiment.name,
        slug=submission.experiment.slug,
        file=submission.job.name,
        workspace=asdict(cluster),
        state=submission_store.SENDING,
        fingerprint=submission.fingerprint,
        at=submission_store.now(),
        kind=submission.job.kind,
        sets=submission.sets,
        command=request.command,
        compute=f"namespace {cluster.namespace}",
        inputs=inputs_of(submission.job),
        environment=request.image or "",
        snapshots={code.folder: code.digest for code in codes},
        git=git,
        backend="argo",
        kept=kept(submission.setting, submission.name),
    )
    submission_store.write(root, entry, patch)
    manifest = json.dumps(submission.wanted.manifest, indent=2, ensure_ascii=False)
    submission_store.beside(root, entry, "manifest.json", f"{manifest}\n")
    return entry


def _say_where(entry: Entry, cluster: Cluster, *, as_json: bool) -> None:
    if as_json:
        told = {"name": entry.name, "namespace": cluster.namespace, "status": entry.status}
        print(json.dumps(told))
    else:
        print(f"{'job':<13}{entry.name}")
    sys.stdout.flush()
