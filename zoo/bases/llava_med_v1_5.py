"""LLaVA-Med v1.5: CLIP ViT-L/14-336, a two-layer projector, Mistral-7B-Instruct-v0.2."""

from zoo.bases import Base, Term, published
from zoo.bases._clip import CLIP, IMAGE, LLAVA, sharded
from zoo.bases._sources import BENCHMARKING, LINGSHU

_LICENCE = "microsoft/LLaVA-Med:LICENSE@bdd4809155cc5a532625633111721ddd6c2225ef"
_CARD = "https://huggingface.co/microsoft/llava-med-v1.5-mistral-7b"
_MMEDPO = "MMedPO, Table 1, arXiv 2412.06141"

BASE = Base(
    name="llava-med-v1.5",
    repo="microsoft/llava-med-v1.5-mistral-7b",
    revision="91bb16c122001ddc9cf1fd36ce1dae09448943a2",
    revision_source=(
        "Freddie1946/myr1:docs/20260728_014950_baseline_evaluation_contract_decisions_pending.md"
        "@6dcedce686c511ba9ccb6fccd53d46cea643bbf1"
    ),
    original="llava_mistral",
    tower=CLIP,
    files={
        **sharded(
            "ef2190dc6c2a940e60f03f5fdb4dddb2320eb87801aeca5c40b0a28ce8aa420e",
            "2b229607fecd98b8111320178e5bf3e2c527b05a942c85d65b5b507c76c1ed00",
            "12b18ecdf8924d5fe28ada797fe6697fa60e62cba630759fbeb52975b261c4e2",
            "1d2063fcd429d3f0f0a8a091b0522f0e02f2d85fe0e5b0eeb4ae168183a603bc",
        ),
        "tokenizer.model": "dadfd56d766715c61d2ef780a525ab43b8e6da4de6865bda3d95fdef5e134055",
    },
    family="llava",
    config={
        **LLAVA,
        "image_token_index": 32000,  # a row of its own, behind the 32000 of Mistral
        "text_config": {
            "model_type": "mistral",
            "vocab_size": 32001,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
            "sliding_window": None,
            "max_position_embeddings": 32768,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "tie_word_embeddings": False,
        },
    },
    parameters=7_566_227_456,
    template=(
        "{{ bos_token }}{% for message in messages %}{% if message.role == 'assistant' %} "
        "{% for part in message.content %}{{ part.text | trim }}{% endfor %} {{ eos_token }}"
        "{% elif message.role == 'user' %}[INST] {% for part in message.content %}"
        "{% if part.type == 'image' %}<image>\n{% else %}{{ part.text | trim }}{% endif %}"
        "{% endfor %} [/INST]"
        "{% else %}{{ raise_exception('it knows no turn of the system') }}{% endif %}{% endfor %}"
    ),
    ends=("</s>",),
    answer_end=" ",
    markers=("[INST]", "[/INST]"),
    tokens={"<unk>": 0, "<s>": 1, "</s>": 2, "<image>": 32000},
    image=IMAGE,
    can_judge=True,
    encoder=CLIP,
    license="llava-med-terms",
    terms=(
        Term(
            says="The model may be used for research that earns no money, and may not be distributed, "
            "shared, lent or hosted for others: converted weights stay on the disk of whoever converted "
            "them, and adapters go to no Hub that others read.",
            source=_LICENCE,
        ),
        Term(
            says="Its Hub card names Apache-2.0 and the licence of Mistral-7B-Instruct-v0.2 in place of "
            "these terms. Nobody has settled which holds, so the stricter is taken to.",
            source=_CARD,
        ),
        Term(
            says="It is not for clinical care or for any decision about it; deployed use is out of scope.",
            source=_CARD,
        ),
    ),
    published=(
        *published(_MMEDPO, "recall of open questions, %", {"SLAKE": 44.26, "VQA-RAD": 29.24}),
        *published(_MMEDPO, "accuracy of closed questions, %", {"SLAKE": 61.30, "VQA-RAD": 63.97}),
        *published(_MMEDPO, "mean of BLEU-1 to BLEU-4", {"IU-Xray": 14.56, "MIMIC-CXR": 10.25}),
        *published(_MMEDPO, "ROUGE-L", {"IU-Xray": 10.31, "MIMIC-CXR": 9.38}),
        *published(_MMEDPO, "METEOR", {"IU-Xray": 10.95, "MIMIC-CXR": 7.71}),
        *published(
            LINGSHU,
            "accuracy, %",
            {
                "MMMU-Med": 29.3,
                "VQA-RAD": 53.7,
                "SLAKE": 48.0,
                "PathVQA": 38.8,
                "PMC-VQA": 30.5,
                "OmniMedVQA": 44.3,
                "MedXpertQA": 20.3,
            },
        ),
        *published(BENCHMARKING, "accuracy, %", {"mean of SLAKE, VQA-RAD and PathVQA": 38.7}),
    ),
    about="LLaVA-Med v1.5 of Microsoft: 7.6 billion parameters; research only.",
)
