"""A base whose decoder layers are shared out among processes: each keeps a part of every layer's weights, and
a layer is whole only while it runs.

By torch's `fully_shard` (FSDP2). All processes so have to run every pass over the language model together;
seeing to that is the caller's. Vision tower, embeddings, head and any LoRA stay whole in each. Knows no
launcher.
"""

from typing import Any

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


def share_out(model: Any, device: torch.device) -> None:
    """Share a frozen model, which lies on the CPU, out among all processes; its other parts go to `device`.

    A layer is moved by itself, so that no device ever holds more than its parts and one whole layer.
    """
    language = model.model.language_model
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    for layer in language.layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    # Shares nothing out itself: so torch knows in which order the layers come, and fetches the next in time.
    fully_shard(language, mesh=mesh, ignored_params=set(language.parameters()))
    model.to(device)
