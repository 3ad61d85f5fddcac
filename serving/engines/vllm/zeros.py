"""The base as an adapter of zeros, since vLLM on a CPU has no row without an adapter.

There a row of the base that runs beside rows of adapters is given the adapter of the last place, without a
word: -1, which stands for none, is taken as an index (vllm-project/vllm#48421 and #49656, open as of 0.32).
What is zero adds nothing in any precision, so asked by this the base's answers are its own, and on a GPU too.
"""

import json
from collections.abc import Mapping

import torch
from safetensors.torch import save
from torch import nn

from zoo.vlm.weights import AdapterFiles, tensor_names


def adapter_of_zeros(layers: Mapping[str, nn.Linear], *, max_rank: int) -> AdapterFiles:
    """An adapter of rank 1 for all these layers that changes nothing. It claims `max_rank` for a layer that
    is not there, so that a vLLM that takes no such rank refuses it, before the first adapter that has it."""
    tensors = {}
    for name, layer in layers.items():
        a, b = tensor_names(name)
        tensors[a] = torch.zeros(1, layer.in_features, dtype=torch.float16)
        tensors[b] = torch.zeros(layer.out_features, 1, dtype=torch.float16)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 1,
        "rank_pattern": {"no_layer": max_rank},
        "lora_alpha": 1,
        "target_modules": sorted({name.rpartition(".")[2] for name in layers}),
    }
    return AdapterFiles(json.dumps(config).encode(), memoryview(save(tensors)))
