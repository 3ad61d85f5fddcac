"""HuatuoGPT-Vision-7B: CLIP ViT-L/14-336, a two-layer projector, Qwen2-7B, in its authors' own layout."""

from zoo.bases import Base, Term, published
from zoo.bases._clip import CLIP, IMAGE, LLAVA, sharded
from zoo.bases._sources import BENCHMARKING, HUATUO, LINGSHU

PUBMEDVISION = Term(
    says="PubMedVision, which it was taught with, was written by GPT-4V: OpenAI's terms speak of models that "
    "compete with theirs. A caution to look at before commercial use, not a part of the licence.",
    source="https://github.com/FreedomIntelligence/HuatuoGPT-Vision",
)

BASE = Base(
    repo="FreedomIntelligence/HuatuoGPT-Vision-7B",
    revision="34dfcdbb7728ff38da865839f342b88c4cf6ef39",
    revision_source=(
        "Freddie1946/myr1:docs/20260725_013154_manuscript_baseline_metadata_and_access_audit.md"
        "@b2359bc926bb180865ad00a630351ced3fa4eb7b"
    ),
    original="llava_qwen2",
    tower=CLIP,
    files=sharded(
        "da1f9b7837a6c54e7803a8a36dca76ba2b09f116b044225f1bcf04c6ab18db4d",
        "5ab6f7191d5d35b13f22bd238155b83d15a683a56d9a6b46d038ef6e4d3b897b",
        "cf5442ead64542c60c0ecc647fee679b7f18b531d47d169cac08d496e8b78be3",
        "9df68cee325562ea25cba56f5bac5027000fd288031fbeb1f66000a4c8dafaf4",
    ),
    family="llava",
    config={
        **LLAVA,
        "image_token_index": 151646,  # a row that no token of Qwen2 uses
        "text_config": {
            "model_type": "qwen2",
            "architectures": ["Qwen2ForCausalLM"],
            "vocab_size": 152064,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
            "use_sliding_window": False,
            "max_position_embeddings": 131072,
            "bos_token_id": 151643,
            "eos_token_id": 151643,
            "pad_token_id": 151643,
            "tie_word_embeddings": False,
        },
    },
    parameters=7_935_646_208,
    template=(
        "{% for message in messages %}{% if message.role == 'system' %}"
        "{{ raise_exception('it knows no turn of the system') }}{% endif %}<|{{ message.role }}|>\n"
        "{% for part in message.content %}{% if part.type == 'image' %}<image>\n"
        "{% else %}{{ part.text | trim }}{% endif %}{% endfor %}"
        "{{ ' \n' if message.role == 'assistant' else '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    ),
    ends=("<|endoftext|>",),
    markers=("<|user|>", "<|assistant|>"),
    tokens={"<|endoftext|>": 151643, "<image>": 151646},
    image=IMAGE,
    max_images=6,
    can_judge=True,
    encoder=CLIP,
    license="apache-2.0",
    terms=(
        Term(
            says="Use, change and pass on under Apache-2.0, as its Hub card says.",
            source="https://huggingface.co/FreedomIntelligence/HuatuoGPT-Vision-7B",
        ),
        PUBMEDVISION,
    ),
    published=(
        *published(
            HUATUO,
            "accuracy, %",
            {
                "VQA-RAD": 63.7,
                "SLAKE": 76.2,
                "PathVQA": 57.9,
                "PMC-VQA": 54.3,
                "OmniMedVQA": 74.0,
                "MMMU Health & Medicine, test": 50.6,
            },
        ),
        *published(
            LINGSHU,
            "accuracy, %",
            {
                "MMMU-Med": 47.3,
                "VQA-RAD": 67.0,
                "SLAKE": 67.8,
                "PathVQA": 48.0,
                "PMC-VQA": 53.3,
                "OmniMedVQA": 74.2,
                "MedXpertQA": 21.6,
            },
        ),
        *published(BENCHMARKING, "accuracy, %", {"mean of SLAKE, VQA-RAD and PathVQA": 49.1}),
    ),
    about="HuatuoGPT-Vision-7B: 7.9 billion parameters, taught with PubMedVision.",
)
