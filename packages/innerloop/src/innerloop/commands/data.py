"""Data assets of the Azure ML workspace, and data/NAME that stands for them here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..remote.azureml import data_assets, workspace_ref
from ..remote.azureml.connection import Line
from ..remote.progress import megabytes
from ..util.errors import UsageError
from ..workspace import loader

EXAMPLES = """examples:
  loop data list                        the workspace's data assets, and which of them are here
  loop data list mnist                  the versions of one
  loop data get azureml:mnist:1         fills data/mnist
  loop data register data/mnist         a new version of the asset mnist
  loop data register data/raw --name digits-raw --description "as scanned"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=("list", "get", "register"), metavar="list|get|register")
    parser.add_argument(
        "what", nargs="?", metavar="NAME|PATH", help="an asset, or a folder or file"
    )
    parser.add_argument("--to", metavar="PATH", help="get: where to (default: data/NAME)")
    parser.add_argument("--name", help="register: the asset's name (default: the folder's)")
    parser.add_argument("--version", default="", help="register: its version (default: the next)")
    parser.add_argument("--description", default="", help="register: what the data are")
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout")


def run(args: argparse.Namespace) -> int:
    if args.verb != "list" and args.what is None:
        what = "an asset: azureml:mnist:1" if args.verb == "get" else "a folder: data/mnist"
        raise UsageError(f"loop data {args.verb} what?", hint=f"Name {what}")
    target = workspace_ref.find(args.root)
    with Line(args.root) as line:
        value = {"list": _list, "get": _get, "register": _register}[args.verb](args, target, line)
    if args.json:
        print(json.dumps(value, indent=2, ensure_ascii=False))
    return 0


def _list(args: argparse.Namespace, target: workspace_ref.Target, line: Line) -> Any:
    name = data_assets.parse(args.what).name if args.what else None
    found = data_assets.listed(args.root, target, line, name)
    if not args.json:
        rows = [(f"azureml:{one['name']}:{one['version']}", one) for one in found]
        width = max((len(text) for text, _ in rows), default=0)
        for text, one in rows:
            here = f"  here: {one['here']}" if one["here"] else ""
            print(f"{text:<{width}}  {one['type']:<10}{here}".rstrip())
        if not rows:
            print(f"{target.workspace} has no data assets")
    return found


def _get(args: argparse.Namespace, target: workspace_ref.Target, line: Line) -> Any:
    wanted = data_assets.parse(args.what)
    told = data_assets.get(args.root, wanted, args.to, target, line)
    if not args.json:
        size = f"{told['files']} files, {megabytes(told['size'])}"
        print(f"{told['here']} has azureml:{told['name']}:{told['version']} ({size})")
    return told


def _register(args: argparse.Namespace, target: workspace_ref.Target, line: Line) -> Any:
    workspace = loader.open_workspace(args.root)
    path = _path(args)
    name = args.name or (path.stem if path.is_file() else path.name)
    told = data_assets.register(workspace, path, name, args.version, args.description, target, line)
    if not args.json:
        made = f"azureml:{told['name']}:{told['version']}"
        sent = "nothing new to upload" if not told["sent"] else megabytes(told["size"])
        print(f"{made} is there now ({told['type']}, {sent})")
        for file, wanted in data_assets.named_by(workspace, told["name"]):
            if wanted not in (made, f"azureml:{told['name']}@latest"):
                print(f"{file} names {wanted}: write {made} there to use it")
    return told


def _path(args: argparse.Namespace) -> Path:
    """As typed from where the person stands, else from the workspace's root."""
    here = Path(args.cwd, args.what)
    return here if here.exists() else Path(args.root, args.what)
