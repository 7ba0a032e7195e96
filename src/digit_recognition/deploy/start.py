"""Start TorchServe with the mounted model: the ENTRYPOINT of the image.

AZUREML_MODEL_DIR names the folder where the model is mounted, on Azure ML and locally. TorchServe
needs it packed together with the handler, which takes a second; then TorchServe replaces this
process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STORE = Path("/tmp/torchserve/model-store")
NAME = "digits"  # in the route /predictions/digits


def find_model(mounted: str | None) -> Path:
    """The folder with model.json: the mounted one or one below it; exits if there is none."""
    if not mounted:
        sys.exit("start.py: AZUREML_MODEL_DIR is not set: set it to the folder with the model")
    found = sorted(Path(mounted).rglob("model.json"), key=lambda path: len(path.parts))
    if not found:
        sys.exit(
            f"start.py: no model.json below {mounted}: mount the folder outputs/model of a run"
        )
    return found[0].parent


def pack(model: Path, store: Path, config: Path) -> None:
    """Make the folder <store>/digits from the model's files, handler.py and the settings."""
    store.mkdir(parents=True, exist_ok=True)
    files = ",".join(str(path) for path in sorted(model.iterdir()) if path.is_file())
    subprocess.run(
        ["torch-model-archiver", "--model-name", NAME, "--version", "1.0"]
        + ["--handler", str(HERE / "handler.py"), "--extra-files", files]
        + ["--config-file", str(config), "--archive-format", "no-archive"]
        + ["--export-path", str(store), "--force"],
        check=True,
    )
    # The worker then imports the original from PYTHONPATH, which tracebacks and debuggers show.
    (store / NAME / "handler.py").unlink()


def without_timeouts(config: Path, folder: Path) -> Path:
    """The settings for debugging: TorchServe ends a worker that does not respond in time, as one at
    a breakpoint does not."""
    text = config.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(("response", "startup"))]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / config.name
    day = 24 * 60 * 60
    timeouts = [f"responseTimeout: {day}", f"startupTimeout: {day}"]
    target.write_text("\n".join([*lines, *timeouts]) + "\n", encoding="utf-8")
    return target


def main() -> None:
    config = HERE / "model-config.yaml"
    if "debugpy" in sys.modules:
        config = without_timeouts(config, STORE.parent / "debug")
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
