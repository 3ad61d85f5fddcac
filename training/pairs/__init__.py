"""Curation: questions -> preference pairs. One step a module; a variant lists the steps of its recipe.

`step` says what a step is and what it may use, `build` runs a recipe over a question set, `report` says what
came of it.
"""
