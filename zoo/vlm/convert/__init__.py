"""Checkpoints and adapters of LLaVA's original code in the form that transformers and PEFT read.

`checkpoint` converts a whole model, `adapter` a LoRA folder; what each needs lies in files of its own.
"""
