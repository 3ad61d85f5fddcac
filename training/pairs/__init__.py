"""Curation: questions -> preference pairs. A maker is one module here, named by the variants that use it.

A maker of rejected responses has `make(drafts, answer) -> list[Made | Dropped]`; a maker of rejected
images has `make_image(image, seed) -> (image, how)`. `training.pairs.build` runs them over a set.
"""
