"""What `accelerate launch` was asked for, by flags or a configuration file: which of it is done here.

It speaks by environment variables, and what a program does not read, it passes over; here that is refused
instead, with what to type. Knows neither torch nor accelerate.
"""

from collections.abc import Mapping

from zoo.errors import BadInput

_FSDP = "accelerate launch --config_file deploy/accelerate/fsdp.yaml -m zoo train ..."
_OFF = ("", "no", "false", "0")

_REFUSED = {
    "ACCELERATE_USE_DEEPSPEED": (
        _OFF,
        "DeepSpeed",
        f"{_FSDP}: it shares the frozen layers out as ZeRO-3 does; there is little else to share, since of a "
        "LoRA gradients and optimizer are small",
    ),
    "ACCELERATE_USE_MEGATRON_LM": (_OFF, "Megatron-LM", _FSDP),
    "ACCELERATE_USE_PARALLELISM_CONFIG": (_OFF, "a parallelism configuration", _FSDP),
    "ACCELERATE_MIXED_PRECISION": (
        _OFF,
        "mixed_precision",
        "mixed_precision: no, and `--dtype bfloat16` of the zoo, which a GPU gets unasked",
    ),
    "ACCELERATE_DYNAMO_BACKEND": (_OFF, "dynamo_backend", "dynamo_backend: no"),
}
"""By variable: values that ask for nothing, what any other asks for, and what to do instead."""

_FSDP_REFUSED = {
    "FSDP_VERSION": (("2",), "fsdp_version", "fsdp_version: 2"),
    "FSDP_RESHARD_AFTER_FORWARD": (
        ("", "true"),
        "fsdp_reshard_after_forward",
        "fsdp_reshard_after_forward: true, or no FSDP at all",
    ),
    "FSDP_OFFLOAD_PARAMS": (_OFF, "fsdp_offload_params", "fsdp_offload_params: false"),
    # Of the first process's weights nothing here is handed on to the others.
    "FSDP_CPU_RAM_EFFICIENT_LOADING": (
        _OFF,
        "fsdp_cpu_ram_efficient_loading",
        "fsdp_cpu_ram_efficient_loading: false; each process reads the base into its machine's memory",
    ),
    "FSDP_ACTIVATION_CHECKPOINTING": (
        _OFF,
        "fsdp_activation_checkpointing",
        "fsdp_activation_checkpointing: false, and `--gradient-checkpointing` of the zoo",
    ),
    "FSDP_AUTO_WRAP_POLICY": (
        ("", "transformer_based_wrap"),
        "fsdp_auto_wrap_policy",
        "fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP",
    ),
    "FSDP_TRANSFORMER_CLS_TO_WRAP": (
        ("",),
        "fsdp_transformer_layer_cls_to_wrap",
        "leave it out: the language model's decoder layers are shared out, whatever their class",
    ),
    "FSDP_IGNORED_MODULES": (("", "none"), "fsdp_ignored_modules", "leave it out"),
}


def asks_for_sharding(environment: Mapping[str, str]) -> bool:
    """Whether the base's layers are to be shared out among the processes (FSDP).

    Raises:
        BadInput: something else is asked for that is not done here.
    """
    sharded = environment.get("ACCELERATE_USE_FSDP", "").lower() not in _OFF
    for variable, (fine, name, instead) in (_REFUSED | (_FSDP_REFUSED if sharded else {})).items():
        value = environment.get(variable, "")
        if value.lower() not in fine:
            raise BadInput(f"the launcher asks for {name} ({value}), which is not done here", hint=instead)
    return sharded
