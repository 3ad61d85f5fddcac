"""The page `Browse`: bases and variants, their cards, and how good they are."""

import gradio as gr

from serving.service import Service


def build(service: Service) -> None:
    """Fill the page."""
    gr.HTML(value=service.base.name, elem_id="mz-browse")
