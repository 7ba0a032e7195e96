"""Data assets of the Azure ML workspace, and their copies in data/NAME."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..remote.azureml import data_assets, workspace_ref
from ..remote.azureml.connection import AzureConnection
from ..remote.progress import format_size
from ..util import console
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
        raise UsageError(
            f"loop data {args.verb} needs an argument", code="argument-missing", hint=f"Name {what}"
        )
    target = workspace_ref.find(args.root)
    with AzureConnection(args.root) as connection:
        verbs = {"list": _list, "get": _get, "register": _register}
        value = verbs[args.verb](args, target, connection)
    if args.json:
        console.print_json(value)
    return 0


def _list(
    args: argparse.Namespace, target: workspace_ref.WorkspaceRef, connection: AzureConnection
) -> Any:
    name = data_assets.parse(args.what).name if args.what else None
    assets = data_assets.list_assets(args.root, target, connection, name)
    if not args.json:
        rows = [(f"azureml:{asset['name']}:{asset['version']}", asset) for asset in assets]
        width = max((len(text) for text, _ in rows), default=0)
        for text, asset in rows:
            here = f"  here: {asset['here']}" if asset["here"] else ""
            print(f"{text:<{width}}  {asset['type']:<10}{here}".rstrip())
        if not rows:
            print(f"{target.workspace} has no data assets")
    return assets


def _get(
    args: argparse.Namespace, target: workspace_ref.WorkspaceRef, connection: AzureConnection
) -> Any:
    asset = data_assets.parse(args.what)
    copy = data_assets.download(args.root, asset, args.to, target, connection)
    if not args.json:
        size = f"{copy['files']} files, {format_size(copy['size'])}"
        print(f"{copy['here']} has azureml:{copy['name']}:{copy['version']} ({size})")
    return copy


def _register(
    args: argparse.Namespace, target: workspace_ref.WorkspaceRef, connection: AzureConnection
) -> Any:
    workspace = loader.open_workspace(args.root)
    path = _path(args)
    name = args.name or (path.stem if path.is_file() else path.name)
    asset = data_assets.register(
        workspace, path, name, args.version, args.description, target, connection
    )
    if not args.json:
        reference = f"azureml:{asset['name']}:{asset['version']}"
        sent = "nothing new to upload" if not asset["sent"] else format_size(asset["size"])
        print(f"{reference} is registered ({asset['type']}, {sent})")
        for file, used in data_assets.references_to(workspace, asset["name"]):
            if used not in (reference, f"azureml:{asset['name']}@latest"):
                print(f"{file} names {used}: write {reference} there to use it")
    return asset


def _path(args: argparse.Namespace) -> Path:
    """The path relative to the working directory if it exists, else to the workspace's root."""
    path = Path(args.cwd, args.what)
    return path if path.exists() else Path(args.root, args.what)
