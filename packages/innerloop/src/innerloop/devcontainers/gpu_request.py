"""The GPUs that a devcontainer.json asks for, and their options in the one that `up` starts. Pure.

The devcontainer CLI knows one way to hand GPUs over, `--gpus all`, and adds it where the engine has
NVIDIA's runtime, whether there is a GPU or not. So `up` replaces the request by options that the
engine understands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..model.gpu import ALL, AUTO, NONE, GpuSetting, parse_docker
from ..util.late_patterns import late_pattern

_GPU_DEVICE = late_pattern(r"(nvidia|amd)\.com/|/dev/(nvidia|kfd|dri|dxg)")


def requested(value: Mapping[str, Any]) -> GpuSetting:
    """What `hostRequirements` and `--gpus` in `runArgs` ask for, as a value of the gpu setting."""
    for option, text in _options(value):
        if option == "--gpus":
            return parse_docker(text)
    requirement = (value.get("hostRequirements") or {}).get("gpu")
    return AUTO if requirement == "optional" else ALL if requirement else NONE


def own_device(value: Mapping[str, Any]) -> str:
    """A device or runtime for GPUs that a person wrote into `runArgs`; "" without one."""
    for option, text in _options(value):
        is_runtime = option == "--runtime" and text == "nvidia"
        if is_runtime or (option == "--device" and _GPU_DEVICE.match(text)):
            return f"{option} {text}"
    return ""


def replaced(value: Mapping[str, Any], options: Sequence[str]) -> dict[str, Any]:
    """The configuration with these options in place of its request."""
    words = [str(word) for word in value.get("runArgs") or []]
    kept: list[str] = []
    skips = False
    for word in words:
        if not skips and word != "--gpus" and not word.startswith("--gpus="):
            kept.append(word)
        skips = word == "--gpus" and not skips
    result = {**value, "runArgs": [*options, *kept]}
    requirements = value.get("hostRequirements")
    if isinstance(requirements, Mapping):
        rest = {key: item for key, item in requirements.items() if key != "gpu"}
        result.pop("hostRequirements")
        result |= {"hostRequirements": rest} if rest else {}
    return result


def _options(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each word of `runArgs` as an option with its value, written as one word or as two."""
    words = [str(word) for word in value.get("runArgs") or []]
    for word, following in zip(words, [*words[1:], ""], strict=False):
        option, equals, text = word.partition("=")
        yield option, text if equals else following
