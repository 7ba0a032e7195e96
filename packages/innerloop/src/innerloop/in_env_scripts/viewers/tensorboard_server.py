"""TensorBoard over a folder, at an address that nobody can guess.

Runs in the environment of locks/tensorboard.txt, with the standard library beside it. Its settings
are one JSON object in the variable INNERLOOP_VIEWER, since every user can read a command line.
"""

import importlib
import json
import os
import threading


def main() -> None:
    settings = json.loads(os.environ.pop("INNERLOOP_VIEWER"))
    program = importlib.import_module("tensorboard.program")
    default = importlib.import_module("tensorboard.default")
    board = program.TensorBoard(default.get_plugins())
    # Its fast loader would listen at a port of its own, without the secret.
    board.configure(
        argv=[
            "tensorboard",
            *("--logdir", settings["folder"], "--window_title", settings["title"]),
            *("--host", "127.0.0.1", "--port", str(settings["port"])),
            *("--path_prefix", settings["prefix"], "--load_fast", "false"),
            *("--reload_interval", "5"),
        ]
    )
    board.launch()
    print("READY", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
