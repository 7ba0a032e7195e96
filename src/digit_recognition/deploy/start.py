"""Starts TorchServe with the model that is mounted: what the image's ENTRYPOINT runs.

AZUREML_MODEL_DIR names the folder in which Azure ML, and whoever serves it here, mount the model.
TorchServe wants it packed together with its handler; that takes a second, and then TorchServe takes
this program's place.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STORE = Path("/tmp/torchserve/model-store")
NAME = "digits"  # it is asked as /predictions/digits


def find_model(mounted: str | None) -> Path:
    """The folder with model.json: the mounted one, or one in it; ends the program without."""
    if not mounted:
        sys.exit("start.py: AZUREML_MODEL_DIR is not set: it names the folder with the model")
    found = sorted(Path(mounted).rglob("model.json"), key=lambda path: len(path.parts))
    if not found:
        sys.exit(
            f"start.py: no model.json below {mounted}: mount the folder outputs/model of a run"
        )
    return found[0].parent


def pack(model: Path, store: Path, config: Path) -> None:
    """The folder <store>/digits from the model's files, handler.py and the settings."""
    store.mkdir(parents=True, exist_ok=True)
    files = ",".join(str(path) for path in sorted(model.iterdir()) if path.is_file())
    subprocess.run(
        ["torch-model-archiver", "--model-name", NAME, "--version", "1.0"]
        + ["--handler", str(HERE / "handler.py"), "--extra-files", files]
        + ["--config-file", str(config), "--archive-format", "no-archive"]
        + ["--export-path", str(store), "--force"],
        check=True,
    )
    # The worker finds the file itself on its path: tracebacks and debuggers then name that one.
    (store / NAME / "handler.py").unlink()


def patient(config: Path, folder: Path) -> Path:
    """The same settings for a handler that stands at a breakpoint: TorchServe ends a worker that
    does not answer in time."""
    text = config.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(("response", "startup"))]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / config.name
    day = 24 * 60 * 60
    waits = [f"responseTimeout: {day}", f"startupTimeout: {day}"]
    target.write_text("\n".join([*lines, *waits]) + "\n", encoding="utf-8")
    return target


def main() -> None:
    config = HERE / "model-config.yaml"
    if "debugpy" in sys.modules:
        config = patient(config, STORE.parent / "debug")
    pack(find_model(os.environ.get("AZUREML_MODEL_DIR")), STORE, config)
    path = filter(None, [str(HERE), os.environ.get("PYTHONPATH")])
    os.environ["PYTHONPATH"] = os.pathsep.join(path)
    os.execvp(
        "torchserve",
        ["torchserve", "--start", "--foreground", "--disable-token-auth", "--ncs"]
        + ["--ts-config", str(HERE / "config.properties")]
        + ["--log-config", str(HERE / "log4j2.xml")]
        + ["--model-store", str(STORE), "--models", f"{NAME}={NAME}"],
    )


if __name__ == "__main__":
    main()
