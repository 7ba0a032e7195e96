"""Runs a notebook and writes it as an HTML page.

    python run_notebook.py NOTEBOOK FOLDER TARGET

It runs in an experiment's environment, which must have nbclient, nbconvert, nbformat and ipykernel.
FOLDER is the kernel's working directory. TARGET.html and TARGET.ipynb are also written when a cell
fails: they contain its traceback then, and the exit code is 1.
"""

import os
import re
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

try:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from nbconvert import HTMLExporter
    from traitlets.config import Config
except ImportError as error:
    sys.exit(f"innerloop: {error}: add nbconvert and ipykernel to requirements-dev.in")

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def main(source, folder, target):
    notebook = nbformat.read(source, as_version=4)
    cells = [
        index
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and cell.source.strip()
    ]
    begun = time.perf_counter()
    last = 0

    def on_start(cell, cell_index):
        nonlocal last
        if cell_index not in cells:
            return
        last = cells.index(cell_index) + 1
        first = next(line for line in cell.source.splitlines() if line.strip())
        print(f"[{last}/{len(cells)}] {first[:70]}", flush=True)

    def on_executed(cell, cell_index, execute_reply):
        for output in cell.outputs:
            if output.output_type == "stream":
                print(output.text, end="" if output.text.endswith("\n") else "\n", flush=True)

    apart = ExitStack()
    client = NotebookClient(
        notebook,
        config=_alone(apart),
        timeout=None,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": folder}},
        on_cell_start=on_start,
        on_cell_executed=on_executed,
    )
    code = 0
    try:
        with apart:
            client.execute()
    except CellExecutionError as error:
        # The kernel colours its traceback also where stderr is no terminal.
        print(str(error) if sys.stderr.isatty() else COLOUR.sub("", str(error)), file=sys.stderr)
        what = f"{error.ename}: {error.evalue}".splitlines()[0]
        print(f"innerloop: cell {last} of {len(cells)} failed: {what}", file=sys.stderr)
        code = 1
    except DeadKernelError:
        what = "the kernel died, most often because it ran out of memory"
        print(f"innerloop: cell {last} of {len(cells)}: {what}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    nbformat.write(notebook, f"{target}.ipynb")
    exporter = HTMLExporter()
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": Path(target).name}})
    Path(f"{target}.html").write_text(page, encoding="utf-8")
    count = f"{len(cells)} cells" if code == 0 else f"{last} of {len(cells)} cells"
    print(f"{count} in {time.perf_counter() - begun:.1f} s", flush=True)
    return code


def _alone(apart):
    """Settings with which the kernel listens on Unix sockets in a folder of this user alone.

    Whoever reaches its TCP ports could read what it prints. Windows has no such sockets.
    """
    config = Config()
    if os.name != "nt":
        # The path of a socket has about 100 characters: a short folder.
        folder = apart.enter_context(tempfile.TemporaryDirectory(prefix="jupyter-", dir="/tmp"))
        config.KernelManager.transport = "ipc"
        config.KernelManager.connection_file = os.path.join(folder, "kernel.json")
    return config


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
