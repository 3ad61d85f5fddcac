"""Whether a checkpoint's image processor makes of an image what the base's tower was taught on."""

from collections.abc import Mapping
from typing import Any

from zoo.checks import Check, Fault
from zoo.vlm.checkpoint.subject import Subject, read_json

NAME = "preprocessor_config.json"
_HALF = (0.5, 0.5, 0.5)
_CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_BILINEAR, _BICUBIC = 2, 3
"""As Pillow counts them."""
_AS_CLIP = {"image_mean": _CLIP[0], "image_std": _CLIP[1], "resample": _BICUBIC}
_AS_SIGLIP = {"image_mean": _HALF, "image_std": _HALF}
_TAUGHT: Mapping[str, Mapping[str, Any]] = {
    "llava": _AS_CLIP,
    "qwen2_5_vl": _AS_CLIP,
    "qwen3_vl": {**_AS_SIGLIP, "resample": _BICUBIC},
    "gemma3": {**_AS_SIGLIP, "resample": _BILINEAR},
}
"""By `model_type`, the processors that the towers were published with."""
_STEPS = ("do_resize", "do_rescale", "do_normalize")
"""What every tower was taught behind; on unless a file says otherwise."""
_CLOSE = 1e-6


def pictures(subject: Subject) -> Check:
    """Size, mean, deviation and resampling are those of the tower; the size of its patches too."""
    said = read_json(subject.files, NAME)
    where = NAME
    if said is None:
        where = "processor_config.json"
        said = (read_json(subject.files, where) or {}).get("image_processor")
    if not isinstance(said, dict):
        if subject.layout:
            return Check(name="images", unknown=f"no {NAME}; the conversion writes one")
        fault = Fault(
            what="no image processor", value=f"no {NAME}", next="take the file from the base's own repo"
        )
        return Check(name="images", faults=(fault,))
    base, kind = subject.base, subject.config.model_type
    known = kind in _TAUGHT and (base.tower or kind != "llava")  # a LLaVA may have a tower of its own
    wanted = {**(_TAUGHT[kind] if known else {}), **_sizes(subject)}
    skipped = {key: True for key in _STEPS if not said.get(key, True)}
    faults = tuple(
        Fault(
            what=f"{where} has another {key}",
            value=f"{found!r}, and the base was taught with {value!r}",
            next="take the file from the base's own repo",
        )
        for key, value in {**wanted, **skipped}.items()
        if (found := _found(said, key)) is not None and not _same(found, value)
    )
    silent = [key for key in wanted if _found(said, key) is None]
    told = ", ".join(f"{key} {_short(value)}" for key, value in wanted.items() if key not in silent)
    if base.image.pad_to_square:
        told += "; padded to a square first"
    return Check(
        name="images",
        faults=faults,
        told=told,
        unknown=f"{where} leaves {', '.join(silent)} to the program's defaults" if silent else "",
    )


def _sizes(subject: Subject) -> dict[str, Any]:
    eyes = subject.config.vision_config
    if hasattr(eyes, "spatial_merge_size"):  # images of many sizes
        return {"patch_size": eyes.patch_size, "merge_size": eyes.spatial_merge_size}
    return {"size": eyes.image_size * subject.base.scales}


def _found(said: Mapping[str, Any], key: str) -> Any:
    """A value; of `size` every length that a picture has in the end."""
    if key != "size":
        return said.get(key)
    last = (
        said.get("crop_size") if said.get("do_center_crop", True) and said.get("crop_size") else said.get(key)
    )
    if isinstance(last, dict):
        lengths = {last[one] for one in ("height", "width", "shortest_edge") if last.get(one)}
        return lengths.pop() if len(lengths) == 1 else last
    return last


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(abs(a - b) < _CLOSE for a, b in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)


def _short(value: Any) -> str:
    return "/".join(f"{one:.3g}" for one in value) if isinstance(value, tuple) else str(value)
