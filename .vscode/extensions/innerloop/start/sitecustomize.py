"""What F5 on a program says where a package is missing: one sentence instead of a failed import.

The launch configurations that start a program in the window's own Python have this folder in
PYTHONPATH, so Python imports this module before the program. It asks nothing until an import at the
top of the program fails, and it leaves alone what something handles: `try: import x`, a library's
own attempts, an import within a function. In the experiment's own container it does nothing.

It belongs to the tool and needs nothing of it. Without this folder the program runs all the same.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

# The program did not start: EX_CONFIG of sysexits.h. The extension offers the container then.
EXIT_CODE = 78

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, *[os.pardir] * 4))


class MissingPackage:
    """The last finder that Python asks, for a module that no other finder has."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        place = _place_of(sys._getframe(1)) if path is None else None
        if place is not None:
            _end(name, *place)


def _place_of(frame: "FrameType | None") -> "tuple[str, int] | None":
    """File and line of an import that ends the program; None for one that may be handled."""
    place = None
    while frame is not None:
        code = frame.f_code
        module = str(frame.f_globals.get("__name__"))
        # Python's own import, which the debugger wraps.
        if (
            not code.co_filename.startswith("<frozen importlib._bootstrap")
            and "_pydev" not in module
        ):
            path = os.path.abspath(code.co_filename)
            if code.co_name != "<module>" or not _is_own(path) or _is_handled(path, frame.f_lineno):
                return None
            place = place or (path, frame.f_lineno)
            if module == "__main__":
                return place
        frame = frame.f_back
    return None


def _is_own(path: str) -> bool:
    return path.startswith(ROOT + os.sep) and "site-packages" not in path.split(os.sep)


def _is_handled(path: str, line: int) -> bool:
    """Whether a `try` or a `with suppress(...)` is around the line."""
    import ast

    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return True
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and body[0].lineno <= line <= body[-1].end_lineno:
            handlers = getattr(node, "handlers", [])
            managers = [item.context_expr for item in getattr(node, "items", [])]
            if any(_catches(ast.dump(one.type)) for one in handlers if one.type is not None):
                return True
            if any(handler.type is None for handler in handlers) or "suppress" in str(
                [ast.dump(one) for one in managers]
            ):
                return True
    return False


def _catches(names: str) -> bool:
    return any(name in names for name in ("ImportError", "ModuleNotFoundError", "Exception'"))


def _end(name: str, path: str, line: int) -> None:
    file = os.path.relpath(path, ROOT)
    program = os.path.relpath(os.path.abspath(sys.argv[0]), ROOT)
    loop = os.path.join("scripts", "loop")
    sys.stdout.flush()
    sys.stderr.write(
        "{}:{}: error: {} has no module {}. To use the experiment's environment, press F5 with the "
        "configuration 'this experiment', run `{} run {} --debug`, or reopen the folder in the "
        "experiment's container.\n".format(file, line, sys.executable, name, loop, program)
    )
    sys.stderr.flush()
    # Not an exception, at which the debugger would stop.
    os._exit(EXIT_CODE)


def _leave_path() -> None:
    """Out of the search path: of this process, and of those that the program starts."""
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != HERE]
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = [path for path in paths if path and os.path.abspath(path) != HERE]
    os.environ["PYTHONPATH"] = os.pathsep.join(others)
    if not others:
        del os.environ["PYTHONPATH"]


def _import_hidden() -> None:
    """Import the sitecustomize that this module hides."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec(__name__, sys.path)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules[__name__] = module
    spec.loader.exec_module(module)


if sys.version_info >= (3, 8):
    _leave_path()
    if "INNERLOOP_EXPERIMENT" not in os.environ:
        sys.meta_path.append(MissingPackage())
    _import_hidden()
