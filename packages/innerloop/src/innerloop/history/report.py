"""The runs as one HTML page: a table, their curves in common charts, what they left, and how they differ.

The page is a single file that loads nothing: the template `report.html` with its style, its script and
the values of the runs as JSON. Only the script's text decides what is markup: everything of a run is
data to it, and the page's policy lets no other script run. A page that is served asks the server for
what has changed since (see `report_feed`).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..util.json_records import unicode_text
from . import past_runs, report_data, report_feed, report_files, report_groups, system_metrics
from .past_runs import PastRun

_FOLDER = Path(__file__).parent
# A page that is sent has the outputs of so many runs, the newest; of each its log's end, and images up
# to a size (bytes).
MOST_WITH_OUTPUTS = 20
LARGEST_LOG = 40_000
LARGEST_IMAGE, LARGEST_IMAGES = 400_000, 4_000_000


def page(root: Path, runs: Sequence[PastRun], title: str) -> str:
    """A page that can be sent. `runs` are in the order of time; it shows the newest first."""
    newest_first = list(reversed(runs))
    budget = report_data.points_of_each(len(runs))
    entries = []
    for index, run in enumerate(newest_first):
        points = report_data.points_of_curve(run, budget)
        is_whole = index < report_data.MOST_WHOLE
        system = system_metrics.read(root / run.folder) if is_whole else {}
        entries.append(report_data.entry(run, system, points))
    values = {
        "runs": entries,
        "order": [entry["folder"] for entry in entries],
        "columns": report_data.columns(runs),
        "groups": _groups(root, newest_first),
        "outputs": _outputs(root, newest_first[:MOST_WITH_OUTPUTS]),
    }
    return _text(values, title)


def live_page(changes: Mapping[str, Any], title: str) -> str:
    """A page that follows: `changes` are all that its feed has."""
    return _text({**changes, "live": True}, title)


def policy() -> str:
    """The Content-Security-Policy of the page: its own script and style, and what it is served with."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(_part('js'))}",
            f"style-src {_digest(_part('css'))}",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _text(values: Mapping[str, Any], title: str) -> str:
    parts = {
        "title": escape(title),
        "policy": escape(policy()),
        "style": _part("css"),
        "script": _part("js"),
        "data": script_json({"title": title, **values}),
    }
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _part("html"))
    return unicode_text(text)  # the name of a folder may have any bytes


def script_json(value: object) -> str:
    """JSON for a `<script>`: no text in it can end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", text)


@functools.cache
def _part(kind: str) -> str:
    return (_FOLDER / f"report.{kind}").read_text(encoding="utf-8")


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _groups(root: Path, runs: Sequence[PastRun]) -> list[report_groups.Group]:
    """The sweeps and pipelines of the experiments of these runs."""
    slugs = dict.fromkeys(run.slug for run in runs)
    places = [path for slug in slugs for _, path in past_runs.run_folders(root, slug)]
    folders = report_groups.folders(places)
    return [group for folder in folders for group in report_groups.read(root, folder)]


def _outputs(root: Path, runs: Sequence[PastRun]) -> dict[str, Any]:
    """The log and the files of each run by its folder.

    A page that can be sent has no patch: one may hold what a person wrote into a job file.
    """
    left = LARGEST_IMAGES
    outputs = {}
    for run in runs:
        folder = root / run.folder
        log = report_files.log_part(past_runs.log_of(root, run), 0)
        found = report_feed.files_of(root, run)
        for file in found["files"]:
            if file["kind"] == "image" and file["size"] <= min(LARGEST_IMAGE, left):
                file["url"] = report_files.data_url(folder / file["name"], LARGEST_IMAGE)
                left -= file["size"]
        tail = log["text"][-LARGEST_LOG:]
        outputs[unicode_text(run.folder)] = {**found, "patch": "", "log": tail}
    return outputs
