"""The page `Browse`: bases and variants, their cards, and how good they are.

All that it shows is built when it opens, and a card when it is opened; the filter is the script's alone.
"""

from html import escape

import gradio as gr

from serving.service import Service
from serving.ui.browse.cards import card_of
from serving.ui.browse.overview import zoo_html
from serving.ui.style import script
from zoo.bases import bases


def build(service: Service) -> None:
    """Fill the page."""

    def zoo(_: str) -> str:
        return zoo_html(service.base, list(bases().values()), service.adapters())

    def card(alias: str) -> str:
        found = [one for one in service.adapters() if one.alias == alias]
        return card_of(found[0]) if found else f'<p class="mz-problem">{escape(alias)} is gone.</p>'

    gr.HTML(
        value="",
        html_template='<section class="mz-browse" aria-label="Browse"></section>',
        js_on_load=script("api.js", "browse.js"),
        server_functions=[zoo, card],
        elem_id="mz-browse",
        apply_default_css=False,
    )
