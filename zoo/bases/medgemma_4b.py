"""MedGemma 4B: Gemma 3 under a SigLIP tower that was taught on medical images."""

from zoo.bases import Base, ImageRule, Term, published

_TERMS = "https://developers.google.com/health-ai-developer-foundations/terms"
_CARD = "model card of google/medgemma-4b-it, after arXiv 2507.05201"

BASE = Base(
    repo="google/medgemma-4b-it",
    revision="290cda5eeccbee130f987c4ad74a59ae6f196408",
    revision_source=(
        "Freddie1946/myr1:docs/20260725_013154_manuscript_baseline_metadata_and_access_audit.md"
        "@b2359bc926bb180865ad00a630351ced3fa4eb7b"
    ),
    family="gemma3",
    config={
        "model_type": "gemma3",
        "architectures": ["Gemma3ForConditionalGeneration"],
        "image_token_index": 262144,
        "boi_token_index": 255999,
        "eoi_token_index": 256000,
        "mm_tokens_per_image": 256,
        "tie_word_embeddings": True,
        "text_config": {
            "model_type": "gemma3_text",
            "vocab_size": 262208,
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_hidden_layers": 34,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "sliding_window": 1024,
            "sliding_window_pattern": 6,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            },
            "max_position_embeddings": 131072,
            "tie_word_embeddings": True,
        },
        "vision_config": {
            "model_type": "siglip_vision_model",
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
            "image_size": 896,
            "patch_size": 14,
            "vision_use_head": False,
        },
    },
    parameters=4_300_079_472,
    template=(
        "{{ bos_token }}{% set ns = namespace(before='') %}{% for message in messages %}"
        "{% if message.role == 'system' %}{% set ns.before %}{% for part in message.content %}{{ part.text }}"
        "{% endfor %}{{ '\n\n' }}{% endset %}{% else %}<start_of_turn>"
        "{{ 'model' if message.role == 'assistant' else 'user' }}\n{{ ns.before }}{% set ns.before = '' %}"
        "{% for part in message.content %}{% if part.type == 'image' %}<start_of_image>"
        "{% else %}{{ part.text | trim }}{% endif %}{% endfor %}<end_of_turn>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
    ),
    ends=("<end_of_turn>", "<eos>"),
    markers=("<unused", "[multimodal]"),
    tokens={
        "<pad>": 0,
        "<eos>": 1,
        "<bos>": 2,
        "<start_of_turn>": 105,
        "<end_of_turn>": 106,
        "<start_of_image>": 255999,
        "<end_of_image>": 256000,
        "<image_soft_token>": 262144,
    },
    image=ImageRule(side=896, tokens=256),
    max_images=8,
    can_judge=True,
    gated=True,
    license="health-ai-developer-foundations",
    terms=(
        Term(
            says="A LoRA, a merge, and a model taught with its answers so as to behave like it are made of "
            "it and stand under the same terms; its answers alone do not.",
            source=f"{_TERMS}, 1.1",
        ),
        Term(
            says="Whoever passes on what is made of it binds the receivers to the use restrictions of 3.2, "
            "gives them a copy of the terms, says what was changed, and adds a file NOTICE with a sentence "
            "that the terms prescribe. Letting third parties ask it over a network is passing on too, "
            "without the file.",
            source=f"{_TERMS}, 3.1",
        ),
        Term(
            says="Nothing that the prohibited-use policy lists, nothing that could make Google the "
            "manufacturer of a medical device, nothing unlawful; clinical use only with the authorisation "
            "that the law asks for.",
            source=f"{_TERMS}, 3.1 and 3.2",
        ),
        Term(
            says="The Hub gives its files only to those who accepted the terms there.",
            source="https://huggingface.co/google/medgemma-4b-it",
        ),
    ),
    published=(
        *published(_CARD, "tokenized F1, %", {"SLAKE": 72.3, "VQA-RAD": 49.9}),
        *published(_CARD, "accuracy, %", {"PathMCQA": 69.8, "DermMCQA": 71.8, "MedXpertQA": 18.8}),
        *published(_CARD, "macro F1 of five conditions, %", {"MIMIC-CXR": 88.9, "CheXpert": 48.1}),
    ),
    about="MedGemma 4B of Google: 4.3 billion parameters; its terms go with whatever is made of it.",
)
