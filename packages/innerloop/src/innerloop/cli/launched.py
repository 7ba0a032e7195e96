"""Starts the tool for the shell part of `scripts/loop`: `python -I launched.py LAUNCHER [WORD ...]`.

It does what the launcher's Python part does in a ready environment. Python compiles a script at each
start, and this one in a tenth of the time.
"""

# First, since Ctrl-C during an import is a traceback; nothing needs cleaning yet.
import _signal  # type: ignore[import-not-found]
import os
import sys

if __name__ == "__main__":
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, lambda *_: os._exit(130))
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {_signal.SIGINT})
    del sys.argv[0]
    parent = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    if os.path.basename(parent) != "site-packages":  # the tool's own repository
        sys.path.insert(0, os.path.realpath(parent))
    from innerloop.__main__ import start

    sys.exit(start(sys.argv[1:]))
