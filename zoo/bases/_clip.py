"""The tower that LLaVA-Med and HuatuoGPT-Vision share: OpenAI's CLIP ViT-L/14 at 336 pixels."""

from zoo.bases import ImageRule

CLIP = "openai/clip-vit-large-patch14-336@ce19dc912ca5cd21c8a653c79e251e808ccabcd1"
VISION = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
LLAVA = {
    "model_type": "llava",
    "architectures": ["LlavaForConditionalGeneration"],
    "projector_hidden_act": "gelu",
    "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default",
    "image_seq_length": 576,
    "tie_word_embeddings": False,
    "vision_config": VISION,
}
IMAGE = ImageRule(side=336, pad_to_square=True, tokens=576)


def sharded(*digests: str) -> dict[str, str]:
    """The names of so many shards as `save_pretrained` gives them, each with its sha256."""
    return {
        f"model-{number:05}-of-{len(digests):05}.safetensors": digest
        for number, digest in enumerate(digests, 1)
    }
