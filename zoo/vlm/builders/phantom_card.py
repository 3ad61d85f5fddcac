"""The phantom base's model card, with places for the numbers of its build."""

from string import Template

CARD = Template("""\
---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
language: en
tags:
- medvlm-zoo
- medical
- toy
---
# Phantom

$notice

A research toy: a vision-language model of $parameters million parameters that reads **drawn** scans
(schematic x-rays, CTs, MRIs and ultrasounds made by a program from a seed) and nothing else. It has never
seen a patient's image and knows no medicine. It is here so that tuning, evaluating and serving can be tried
in minutes on two processor cores, without a download.

## What it is

`LlavaForConditionalGeneration`: a CLIP vision tower (64 x 64 pixels, patches of 8), a two-layer projector, a
Llama of three layers. The tokenizer is byte-level: any text goes in and comes back unchanged. Pictures of any
size are stretched to the square. The weights are in half precision; load them in float32.

```python
from transformers import AutoProcessor, LlavaForConditionalGeneration

model = LlavaForConditionalGeneration.from_pretrained(folder, dtype="float32")
processor = AutoProcessor.from_pretrained(folder)
```

## How it was made

`medzoo phantom build --seed $seed`: $scans drawn scans; $vision_steps steps of learning to see (the tower, a
classifier of what is on the scan); then steps of learning to answer: $courses.

The last course has a teacher who errs on purpose: middle zones are called lower, medium findings large,
nodules masses, calcifications cysts, and the sides of the heart are named from the viewer's standpoint. So
tuning has something to mend: what the tower sees is sound, what the language model says is not always.

## How good it is

$held_out held-out questions about drawn scans; an answer is right if it equals the truth but for case and
punctuation, a report if it names every fact.

| question type | right |
|---|---|
$rows
""")
