"""What a launcher asks for is done or refused, never passed over."""

from pathlib import Path

import pytest
import yaml
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

from tests._ports import free_port
from training.launcher import asks_for_sharding
from zoo.errors import BadInput

FOLDER = Path(__file__).parents[2] / "deploy" / "accelerate"
CONFIGS = sorted(FOLDER.glob("*.yaml"))


def environment(config: Path, *flags: str) -> dict[str, str]:
    """What accelerate tells a program that it starts by this configuration file."""
    words = ["--config_file", str(config), "--main_process_port", str(free_port()), *flags]
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args([*words, "program.py"]))
    if args.use_deepspeed:
        args.deepspeed_fields_from_accelerate_config = ""
        return prepare_deepspeed_cmd_env(args)[1]
    return prepare_multi_gpu_env(args)


@pytest.mark.parametrize("config", CONFIGS, ids=[config.stem for config in CONFIGS])
def test_a_configuration_in_deploy_is_read_by_accelerate_and_done_here(config: Path) -> None:
    assert asks_for_sharding(environment(config)) == {"ddp": False, "fsdp": True, "zero3": True}[config.stem]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsdp_version", 1),
        ("fsdp_reshard_after_forward", False),
        ("fsdp_offload_params", True),
        ("fsdp_cpu_ram_efficient_loading", True),
        ("fsdp_activation_checkpointing", True),
        ("fsdp_auto_wrap_policy", "SIZE_BASED_WRAP"),
        ("fsdp_transformer_layer_cls_to_wrap", "LlamaDecoderLayer"),
        ("fsdp_ignored_modules", ".*lm_head"),
    ],
)
def test_what_fsdp_does_not_do_here_is_refused_by_its_name(name: str, value: object, tmp_path: Path) -> None:
    settings = yaml.safe_load((FOLDER / "fsdp.yaml").read_text())
    settings["fsdp_config"][name] = value
    (tmp_path / "changed.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(BadInput, match=name):
        asks_for_sharding(environment(tmp_path / "changed.yaml"))


@pytest.mark.parametrize("flags", [("--mixed_precision", "bf16"), ("--dynamo_backend", "inductor")])
def test_a_precision_or_a_compiler_of_the_launcher_is_refused(flags: tuple[str, str]) -> None:
    with pytest.raises(BadInput, match=flags[0].removeprefix("--")):
        asks_for_sharding(environment(FOLDER / "ddp.yaml", *flags))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("zero_stage", 2),
        ("offload_param_device", "cpu"),
        ("offload_optimizer_device", "nvme"),
        ("zero3_init_flag", True),
        ("zero3_save_16bit_model", True),
        ("deepspeed_moe_layer_cls_names", "Experts"),
        ("gradient_accumulation_steps", 2),
        ("gradient_clipping", 1.0),
        ("deepspeed_config_file", "zero.json"),
    ],
)
def test_what_zero_3_does_not_do_here_is_refused_by_name(name: str, value: object, tmp_path: Path) -> None:
    settings = yaml.safe_load((FOLDER / "zero3.yaml").read_text())
    settings["deepspeed_config"][name] = value
    (tmp_path / "changed.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(BadInput, match=name):
        asks_for_sharding(environment(tmp_path / "changed.yaml"))


def test_a_program_that_no_launcher_started_shares_nothing_out() -> None:
    assert not asks_for_sharding({})
