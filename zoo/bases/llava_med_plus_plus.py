"""LLaVA-Med++ (later LLaVA-Tri): Llama-3-8B under CLIP at three scales, fine-tuned on MedTrinity-25M.

Its `config.json` was seen by nobody here. What is said of it follows from the code that made it: the tower
and the form of its turns from UCSC-VLAA/MedTrinity-25M
(llava/model/multimodal_encoder/clip_encoder.py, llava/conversation.py, scripts/med, at edbc27f1), the row for
`<pad>` from mbzuai-oryx/LLaVA-pp (LLaMA-3-V/train.py at edb5d217), whose model it was made of, and the
width of its projector from the size of its last shard too.
"""

from zoo.bases import Base, ImageRule, Term, published
from zoo.bases._clip import CLIP, LLAVA

_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)

BASE = Base(
    name="llava-med++",
    repo="UCSC-VLAA/LLaVA-Med-pp",
    revision="d23d7b1bbb3184146daafd78513625c6838dda6b",
    revision_source="https://huggingface.co/UCSC-VLAA/LLaVA-Med-pp/commits/main",
    original="llava_llama",
    subfolders=("PathVQA", "SLAKE", "VQA-RAD"),
    tower=CLIP,
    family="llava-s2",
    config={
        **LLAVA,
        "vision_feature_layer": [-2, -2, -2],  # once for each scale: what widens the projector's input
        "image_token_index": 128002,  # of a token that Llama 3 keeps in reserve
        "text_config": {
            "model_type": "llama",
            "vocab_size": 128257,  # Llama 3's, and <pad>
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
            "max_position_embeddings": 8192,
            "bos_token_id": 128000,
            "eos_token_id": 128009,
            "pad_token_id": 128001,
            "tie_word_embeddings": False,
        },
    },
    parameters=8_363_145_216,
    # The form opens with <|begin_of_text|>, and the tokenizer that it was taught with put another before it.
    template=(
        "<|begin_of_text|><|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
        "{% if messages[0].role != 'system' %}" + _SYSTEM + "<|eot_id|>{% endif %}"
        "{% for message in messages %}{% if message.role != 'system' %}<|start_header_id|>"
        "{{ message.role }}<|end_header_id|>{{ '\n\n' }}{% endif %}{% for part in message.content %}"
        "{% if part.type == 'image' %}<image>\n{% else %}{{ part.text | trim }}{% endif %}{% endfor %}"
        "<|eot_id|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>{{ '\n\n' }}{% endif %}"
    ),
    ends=("<|eot_id|>", "<|end_of_text|>"),
    tokens={
        "<|begin_of_text|>": 128000,
        "<|end_of_text|>": 128001,
        "<image>": 128002,
        "<|start_header_id|>": 128006,
        "<|end_header_id|>": 128007,
        "<|eot_id|>": 128009,
    },
    image=ImageRule(side=1008, pad_to_square=True, tokens=576),
    can_judge=True,
    encoder=CLIP,
    license="unknown",
    terms=(
        Term(
            says="It has no model card and states no licence, so nothing made of it is passed on.",
            source="https://huggingface.co/UCSC-VLAA/LLaVA-Med-pp",
        ),
        Term(
            says="It was made of Llama 3, whose community licence holds for whatever is made of it: its "
            "acceptable-use policy, its notice, and Llama 3 in the name.",
            source="https://www.llama.com/llama3/license",
        ),
    ),
    published=published(
        "LLaVA-Tri (its later name), fine-tuned on each set; quoted at second hand",
        "accuracy, %",
        {"VQA-RAD": 81.6, "SLAKE": 87.8, "PathVQA": 82.8},
    ),
    about="LLaVA-Med++: Llama-3 8B with CLIP at three scales; a copy for each of PathVQA, SLAKE, VQA-RAD.",
)
