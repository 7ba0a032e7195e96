"""The start-up hook of a debugged run: Python imports this as it starts, before the program's code.

It connects the process to the editor, then imports the user's own sitecustomize.

Any Python can parse this file; a version that debugpy does not support is not debugged.
"""

import sys

if sys.version_info >= (3, 8):  # noqa: UP036 - whatever the job starts
    import innerloop_debugger

    innerloop_debugger.start_up(__name__, __file__)
