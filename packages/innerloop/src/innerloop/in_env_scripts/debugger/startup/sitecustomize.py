"""The start-up hook of a debugged run: Python imports this as it starts, before any code of the
program. It connects the process to the editor, then goes on to the person's own sitecustomize.

Kept so plain that any Python can read it; one that debugpy does not know is left alone.
"""

import sys

if sys.version_info >= (3, 8):  # noqa: UP036 - whatever the job starts
    import innerloop_debugger

    innerloop_debugger.start_up(__name__, __file__)
