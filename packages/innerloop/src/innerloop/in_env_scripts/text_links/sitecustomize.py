"""A start-up hook: Python imports what links lead to that git checked out as text files.

INNERLOOP_TEXT_LINKS is a JSON object: the absolute path of each such file, and of its target. Child
processes get the variable too. Then the user's own sitecustomize is imported. Any Python 3 can parse
this file.
"""

import json
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location

VARIABLE = "INNERLOOP_TEXT_LINKS"


def _plain(path):  # type: ignore[no-untyped-def]
    return os.path.normcase(os.path.realpath(path))


class TextLinkFinder:
    """Finds modules and packages whose place on the path is a text file."""

    def __init__(self, targets):  # type: ignore[no-untyped-def]
        self.targets = {_plain(path): target for path, target in targets.items()}

    def find_spec(self, fullname, path=None, target=None):  # type: ignore[no-untyped-def]
        name = fullname.rpartition(".")[2]
        for folder in sys.path if path is None else path:
            place = os.path.join(_plain(folder or os.getcwd()), os.path.normcase(name))
            if place in self.targets:
                return _package(fullname, self.targets[place])
            if place + ".py" in self.targets:
                return spec_from_file_location(fullname, self.targets[place + ".py"])
            if os.path.isdir(place) or os.path.isfile(place + ".py"):
                return None  # an ordinary module comes first
        return None


def _package(fullname, folder):  # type: ignore[no-untyped-def]
    start = os.path.join(folder, "__init__.py")
    if os.path.isfile(start):
        return spec_from_file_location(fullname, start, submodule_search_locations=[folder])
    spec = ModuleSpec(fullname, None, is_package=True)
    spec.submodule_search_locations = [folder]
    return spec


def _import_hidden(name):  # type: ignore[no-untyped-def]
    """Import the next module of that name on the path in place of the hook."""
    own = os.path.dirname(os.path.abspath(__file__))
    others = [path for path in sys.path if os.path.abspath(path or os.curdir) != own]
    spec = PathFinder.find_spec(name, others)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


if os.environ.get(VARIABLE):
    sys.meta_path.insert(0, TextLinkFinder(json.loads(os.environ[VARIABLE])))
if __name__ == "sitecustomize":
    _import_hidden(__name__)
