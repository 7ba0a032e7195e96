"""Starts TorchServe with the model that is mounted: what the image's ENTRYPOINT runs.

AZUREML_MODEL_DIR names the folder in which Azure ML, and `loop serve`, mount the model. TorchServe
wants it packed together with its handler; that takes a second, and then TorchServe takes this
program's place.
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


def pack(model: Path, store: Path) -> None:
    """<store>/digits.mar from the model's folder, handler.py and model-config.yaml."""
    store.mkdir(parents=True, exist_ok=True)
    extra = ",".join(str(path) for path in sorted(model.iterdir()) if path.is_file())
    subprocess.run(
        ["torch-model-archiver", "--model-name", NAME, "--version", "1.0"]
        + ["--handler", str(HERE / "handler.py"), "--extra-files", extra]
        + ["--config-file", str(HERE / "model-config.yaml")]
        + ["--export-path", str(store), "--force"],
        check=True,
    )


def main() -> None:
    pack(find_model(os.environ.get("AZUREML_MODEL_DIR")), STORE)
    config = str(HERE / "config.properties")
    os.execvp(
        "torchserve",
        ["torchserve", "--start", "--foreground", "--disable-token-auth", "--ncs"]
        + ["--ts-config", config, "--model-store", str(STORE), "--models", f"{NAME}.mar"],
    )


if __name__ == "__main__":
    main()
