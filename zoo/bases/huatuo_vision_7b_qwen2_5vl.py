"""HuatuoGPT-Vision-7B on Qwen2.5-VL: the base of FiRe-MPO's released code."""

from zoo.bases import Base, ImageRule, Term
from zoo.bases._qwen import ENDS, IDS, MARKERS, MOST_TOKENS, QWEN25_TEMPLATE, TOKENS
from zoo.bases.huatuo_vision_7b import PUBMEDVISION

BASE = Base(
    name="huatuo-vision-7b-qwen2.5vl",
    repo="FreedomIntelligence/HuatuoGPT-Vision-7B-Qwen2.5VL",
    family="qwen-vl",
    config={
        "model_type": "qwen2_5_vl",
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        **IDS,
        "tie_word_embeddings": False,
        "text_config": {
            "model_type": "qwen2_5_vl_text",
            "vocab_size": 152064,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1000000.0,
                "mrope_section": [16, 24, 24],
            },
            "use_sliding_window": False,
            "max_position_embeddings": 128000,
            "tie_word_embeddings": False,
        },
        "vision_config": {
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 112,
            "fullatt_block_indexes": [7, 15, 23, 31],
            "tokens_per_second": 2,
        },
    },
    parameters=8_292_166_656,
    template=QWEN25_TEMPLATE,
    ends=ENDS,
    markers=MARKERS,
    tokens=TOKENS,
    image=ImageRule(pixels_a_token=28 * 28, max_pixels=MOST_TOKENS * 28 * 28),
    max_images=8,
    can_judge=True,
    license="apache-2.0",
    terms=(
        Term(
            says="Use, change and pass on under Apache-2.0, as that of Qwen2.5-VL-7B-Instruct, which it was "
            "made of. Its own card was not read for this declaration.",
            source="https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct",
        ),
        PUBMEDVISION,
    ),
    about="HuatuoGPT-Vision on Qwen2.5-VL: 8.3 billion parameters.",
)
