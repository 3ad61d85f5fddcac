"""What `accelerate launch` was asked for, by flags or a configuration file: which of it is done here.

It speaks by environment variables, and what a program does not read, it passes over; here that is refused
instead, with what to type. Knows neither torch nor accelerate.
"""

from collections.abc import Mapping

from zoo.errors import BadInput

DEEPSPEED = "ACCELERATE_USE_DEEPSPEED"
ZERO_3_NOTICE = (
    "ZeRO-3 is asked for: the base's layers are shared out as it does it, by torch's FSDP2; DeepSpeed's own "
    "engine is not used"
)
_FSDP = "accelerate launch --config_file deploy/accelerate/fsdp.yaml -m training ..."
_OFF = ("", "no", "none", "false", "0")

_REFUSED = {
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

_ZERO_REFUSED = {
    "ACCELERATE_DEEPSPEED_CONFIG_FILE": (
        _OFF,
        "deepspeed_config_file",
        "leave it out; deploy/accelerate/zero3.yaml has all that is read",
    ),
    "ACCELERATE_DEEPSPEED_ZERO_STAGE": (
        ("3",),
        "zero_stage",
        "zero_stage: 3, or deploy/accelerate/ddp.yaml: stages 1 and 2 share out gradients and optimizer, "
        "which of a LoRA are small",
    ),
    "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE": (
        _OFF,
        "offload_param_device",
        "offload_param_device: none",
    ),
    "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE": (
        _OFF,
        "offload_optimizer_device",
        "offload_optimizer_device: none",
    ),
    "ACCELERATE_DEEPSPEED_ZERO3_INIT": (
        _OFF,
        "zero3_init_flag",
        "zero3_init_flag: false; each process reads the base into its machine's memory",
    ),
    "ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL": (
        _OFF,
        "zero3_save_16bit_model",
        "zero3_save_16bit_model: false; the adapter alone is written",
    ),
    "ACCELERATE_DEEPSPEED_MOE_LAYER_CLS_NAMES": (_OFF, "deepspeed_moe_layer_cls_names", "leave it out"),
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": (
        ("", "1"),
        "gradient_accumulation_steps",
        "gradient_accumulation_steps: 1, and `--micro-batch` of the zoo",
    ),
    "ACCELERATE_GRADIENT_CLIPPING": (_OFF, "gradient_clipping", "leave it out; the variant clips its own"),
}


def asks_for_sharding(environment: Mapping[str, str]) -> bool:
    """Whether the base's layers are to be shared out among the processes: by FSDP, or as ZeRO-3 does it.

    Raises:
        BadInput: something else is asked for that is not done here.
    """
    fsdp = environment.get("ACCELERATE_USE_FSDP", "").lower() not in _OFF
    zero = asks_for_deepspeed(environment)
    refused = _REFUSED | (_FSDP_REFUSED if fsdp else {}) | (_ZERO_REFUSED if zero else {})
    for variable, (fine, name, instead) in refused.items():
        value = environment.get(variable, "")
        if value.lower() not in fine:
            raise BadInput(f"the launcher asks for {name} ({value}), which is not done here", hint=instead)
    return fsdp or zero


def asks_for_deepspeed(environment: Mapping[str, str]) -> bool:
    """Whether DeepSpeed is asked for, of which ZeRO-3 alone is not refused."""
    return environment.get(DEEPSPEED, "").lower() not in _OFF
