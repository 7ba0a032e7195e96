"""The images that an image was built from: their ids, as a label of it keeps them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..model.container import BASES_LABEL
from ..util.host_name import host_name
from . import engine

if TYPE_CHECKING:
    from ..model.dockerfiles.dockerfile import Dockerfile


def bases_label(dockerfile: Dockerfile, target: str | None) -> dict[str, str]:
    """The label with the ids of the images that a build starts or copies from.

    They are known if this machine has them before. An image of another machine has other ids, which
    say nothing here, so the machine's name is kept with them.
    """
    from ..model.dockerfiles.dockerfile import images_of  # here: a build alone needs it

    ids = engine.image_ids(images_of(dockerfile, target))
    value = {"machine": host_name(), "images": ids}
    return {BASES_LABEL: json.dumps(value, separators=(",", ":"))} if ids else {}


def changed_bases(label: str) -> list[str]:
    """The images that have another id than when the image with this label was built."""
    try:
        value = json.loads(label or "{}")
        is_here = value.get("machine") == host_name()
        before = {str(name): str(id_) for name, id_ in value.get("images", {}).items()}
    except (ValueError, AttributeError):
        return []
    now = engine.image_ids(before) if is_here else {}
    return [name for name, id_ in before.items() if now.get(name, id_) != id_]
