"""Answers by vLLM's OpenAI-compatible server, which runs the base and the adapters in processes of its own.

What is decided stays `serving.core`'s and the turns stay the embedded engine's: this package is another
`serving.engines.model.Model` for them. Facts of vLLM are as of 0.32; `docs/engines.md` says what was tried.
"""
