"""The phantom base's tokenizer and processor: byte-level BPE, a chat template, pictures to 64 x 64.

Every UTF-8 text survives encoding and decoding unchanged, with offsets. It knows nothing of the model but the
sizes it is told.
"""

from collections.abc import Iterable
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from zoo.vlm.builders import square

PAD, BOS, END_OF_TURN, IMAGE, USER, ASSISTANT = SPECIAL_TOKENS = (
    "<pad>",
    "<s>",
    "<end_of_turn>",
    "<image>",
    "<user>",
    "<assistant>",
)
MOST_TOKENS = 640
"""Upper bound of the vocabulary; 256 of it are the bytes."""
LONGEST_PROMPT = 2048

CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role == 'assistant' -%}<assistant>
{%- elif message.role in ('user', 'system') -%}<user>
{%- else -%}{{ raise_exception('roles are system, user and assistant, not ' + message.role) }}
{%- endif -%}
{%- if message.content is string -%}{{ message.content }}
{%- else -%}
{%- for part in message.content -%}{% if part.type == 'image' %}<image>{% endif %}{%- endfor -%}
{%- for part in message.content -%}{% if part.type == 'text' %}{{ part.text }}{% endif %}{%- endfor -%}
{%- endif -%}
<end_of_turn>
{%- endfor -%}
{%- if add_generation_prompt -%}<assistant>{%- endif -%}
"""


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of at most `MOST_TOKENS` entries; the same texts give the same one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MOST_TOKENS,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=END_OF_TURN,
        pad_token=PAD,
        extra_special_tokens={"image_token": IMAGE},
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=LONGEST_PROMPT,
        chat_template=CHAT_TEMPLATE,
    )


def make_processor(tokenizer: PreTrainedTokenizerFast, *, image_size: int, patch_size: int) -> Any:
    """See `zoo.vlm.builders.square`; with the phantom's template."""
    return square.make_processor(
        tokenizer, image_size=image_size, patch_size=patch_size, template=CHAT_TEMPLATE
    )
