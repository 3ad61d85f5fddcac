"""Qwen3-VL-4B-Instruct: a general model of today, untouched by medical tuning."""

from zoo.bases import Base, ImageRule, Term
from zoo.bases._qwen import ENDS, IDS, MARKERS, MOST_TOKENS, QWEN3_TEMPLATE, TOKENS

BASE = Base(
    repo="Qwen/Qwen3-VL-4B-Instruct",
    revision="ebb281ec70b05090aa6165b016eac8ec08e71b17",
    revision_source=(
        "lipengyuan1994/bimanual-robotic-manipulation:docs/PLANNER.md"
        "@a3da06d0a65c6d7033fbe27a992f0cd7cb54142b"
    ),
    family="qwen-vl",
    config={
        "model_type": "qwen3_vl",
        "architectures": ["Qwen3VLForConditionalGeneration"],
        **IDS,
        "tie_word_embeddings": True,
        "text_config": {
            "model_type": "qwen3_vl_text",
            "vocab_size": 151936,
            "hidden_size": 2560,
            "intermediate_size": 9728,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5000000.0,
                "mrope_section": [24, 20, 20],
                "mrope_interleaved": True,
            },
            "max_position_embeddings": 262144,
            "tie_word_embeddings": True,
        },
        "vision_config": {
            "depth": 24,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_heads": 16,
            "out_hidden_size": 2560,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [5, 11, 17],
            "hidden_act": "gelu_pytorch_tanh",
        },
    },
    parameters=4_437_815_808,
    template=QWEN3_TEMPLATE,
    ends=ENDS,
    markers=MARKERS,
    tokens=TOKENS,
    image=ImageRule(pixels_a_token=32 * 32, max_pixels=MOST_TOKENS * 32 * 32),
    max_images=8,
    can_judge=True,
    license="apache-2.0",
    terms=(
        Term(
            says="Use, change and pass on under Apache-2.0, as its Hub card says.",
            source="https://huggingface.co/Qwen/Qwen3-VL-4B-Instruct",
        ),
    ),
    about="Qwen3-VL-4B-Instruct: 4.4 billion parameters; a general model, not a medical one.",
)
