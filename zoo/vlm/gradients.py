"""The pass that gradients are asked of, and what sets it apart from every other.

A LoRA's dropout is at work in it, and layers may be run again on the way back in place of keeping what they
made. Knows no loss.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from peft.tuners.lora import LoraLayer
from transformers.modeling_layers import GradientCheckpointingLayer

from zoo.vlm.model import VisionLanguageModel


@contextmanager
def gradient_pass(vlm: VisionLanguageModel, *, checkpointing: bool) -> Iterator[None]:
    """Run a policy's forward and backward pass in here; outside, the model is as it is when it answers.

    `checkpointing` keeps only what goes into each layer of the language model and runs the layer forward once
    more in the backward pass. The frozen vision tower has no part in either.
    """
    language = vlm.model.model.language_model
    for module in language.modules():
        if isinstance(module, LoraLayer):
            module.train()  # type: ignore[attr-defined]
        elif checkpointing and isinstance(module, GradientCheckpointingLayer):
            module.training = True  # of the layer alone: nothing in it changes its way
    if checkpointing:
        language.activation_checkpointing_enable({"use_reentrant": False})
        language.disable_input_require_grads()  # only reentrant checkpoints need it, and it costs operations
    try:
        yield
    finally:
        language.eval()
        if checkpointing:
            language.activation_checkpointing_disable()
