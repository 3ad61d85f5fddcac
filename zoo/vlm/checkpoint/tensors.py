"""Whether a checkpoint's files hold exactly the tensors that the model has, each in its shape.

What a model has is what transformers builds of its configuration, without memory for any number.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from transformers import PreTrainedConfig

from zoo.checks import Check, Fault
from zoo.tensor_files import TensorFiles
from zoo.vlm.checkpoint.subject import Subject, model_classes
from zoo.vlm.convert.layout import TOWER_PREFIX
from zoo.vlm.names import is_computed, module_name

Shapes = Mapping[str, tuple[int, ...]]


def files(found: TensorFiles) -> Check:
    """The safetensors files are whole, and agree with their index."""
    size = sum(one.end - one.start for one in found.tensors.values())
    told = f"{len(found.tensors)} tensors in {_count(len(found.files), 'file')}, {size / 1e9:.2f} GB"
    return Check(name="files", faults=found.faults, told=told if found.tensors else "")


def tensors(subject: Subject, found: TensorFiles) -> Check:
    """None is missing, none is unexpected, none has another shape."""
    if not found.tensors:
        return Check(name="tensors", unknown="no header of weights can be read")
    if subject.layout:
        expected: Shapes = {name: shape for name, (_, shape) in subject.layout.names.items()}
        tower = {name for name in expected if name.startswith(TOWER_PREFIX)}
        optional = tower if tower.isdisjoint(found.tensors) else set()  # it is in a repo of its own then
        named = {name: [name] for name in found.tensors if not is_computed(name)}
    else:
        config = subject.config if subject.any_size else subject.declared or subject.config
        expected, optional = model_shapes(config, family=subject.base.family)
        named = {}
        for name in found.tensors:
            if not is_computed(name):
                named.setdefault(module_name(name, config.model_type), []).append(name)
    shapes = {one: found.tensors[names[0]].shape for one, names in named.items() if one in expected}
    wrong = {
        "missing": sorted(expected.keys() - named.keys() - optional),
        "unexpected": sorted(names[0] for one, names in named.items() if one not in expected),
        "there under two names": [" and ".join(names) for names in named.values() if len(names) > 1],
        "of another shape": [
            f"{named[one][0]} is {shape}, not {expected[one]}"
            for one, shape in shapes.items()
            if shape != expected[one]
        ],
    }
    kinds = Counter(place.dtype for place in found.tensors.values())
    told = f"{len(shapes)} as they should be, in {' and '.join(sorted(kinds))}"
    if left := len(found.tensors) - sum(map(len, named.values())):
        told += f"; {_count(left, 'table')} that every program makes by itself left out"
    if optional and subject.layout:
        told += f"; the tower is {subject.base.tower}"
    fix = f"it is not {subject.base.name} as declared; does its config.json belong to it?"
    return Check(
        name="tensors",
        faults=tuple(
            Fault(what=f"{_count(len(some), 'tensor')} {what}", value=_some(some), next=fix)
            for what, some in wrong.items()
            if some
        ),
        told=told,
    )


def model_shapes(config: PreTrainedConfig, *, family: str) -> tuple[dict[str, tuple[int, ...]], set[str]]:
    """The shape of every parameter of the model by its name in transformers, and which of them its files may
    leave out because another one is the same."""
    with torch.device("meta"):
        model = model_classes(family)[config.model_type](config)
    shapes = {name: tuple(one.shape) for name, one in model.state_dict().items()}
    return shapes, set(model.all_tied_weights_keys)


def _some(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
