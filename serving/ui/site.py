"""The pages of one server, put together: compare, rate, work lists, results, browse. A page a file.

A page of ratings is a frame whose script asks the routes under `/v1/annotations`, as any other client would.
"""

from html import escape

import gradio as gr

from serving.annotations.desk import Desk
from serving.pictures import Pictures
from serving.service import Service
from serving.ui import cards
from serving.ui.pages import browse, compare, lists, rate, results
from serving.ui.style import script
from zoo.bases import Base
from zoo.licences import obliging
from zoo.notice import NOTICE

_HEADER = """
<a class="mz-skip" href="#mz-content">Skip to the content</a>
<header class="mz-top">
  <div class="mz-brand"><svg viewBox="0 0 48 48" aria-hidden="true"><rect width="48" height="48" rx="13"/>
    <path d="M8 26h8l4-11 7 20 5-14 2 5h6"/></svg>
    <div><h1>MedVLM Zoo</h1><p>One question, many adapters, side by side</p></div></div>
  <p class="mz-base" title="{pinned}">base <b>{name}</b><span>@{sha}</span></p>
  <p class="mz-who" hidden></p>
</header>
<p class="mz-notice" role="note"><svg viewBox="0 0 24 24" aria-hidden="true"><path
  d="M12 4 2.8 20h18.4L12 4zM12 10v4.5M12 17.2v.3"/></svg>{notice}{terms}</p>
<span id="mz-content" tabindex="-1"></span>
"""


PUBLIC = "A public demo: ask about drawn scans only. Send no picture and no word of a patient."
"""What is said to strangers beside the notice."""


def build_site(
    service: Service, pictures: Pictures, *, desk: Desk | None = None, public: bool = False
) -> gr.Blocks:
    """All pages; those of ratings where there is a desk. `public`: strangers may ask."""
    site = gr.Blocks(title="MedVLM Zoo", analytics_enabled=False, fill_width=True, delete_cache=(60, 600))
    with site:
        _header(service, desk, public)
        compare.build(site, service, pictures, rated=desk is not None)
    if desk is not None:
        with site.route("Rate", "/rate"):
            _header(service, desk, public)
            rate.build()
        with site.route("Work lists", "/lists"):
            _header(service, desk, public)
            lists.build(most=service.max_adapters)
        with site.route("Results", "/results"):
            _header(service, desk, public)
            results.build()
    with site.route("Browse", "/browse"):
        _header(service, desk, public)
        browse.build(service)
    return site


def _header(service: Service, desk: Desk | None, public: bool) -> None:
    gr.components.Navbar(main_page_name="Compare")
    base = service.base
    gr.HTML(
        _HEADER.format(
            pinned=escape(base.pinned),
            name=escape(base.name),
            sha=base.revision[: cards.SHORT],
            notice=escape(f"{NOTICE} {PUBLIC}" if public else NOTICE),
            terms=terms_html(base),
        ),
        js_on_load=script("bar.js", *(("api.js", "who.js") if desk else ())),
        elem_classes="mz-header",
    )


def terms_html(base: Base) -> str:
    """Links to the terms that hold for whoever asks this base; empty if none have to be told."""
    return "".join(
        f' <a href="{escape(one.link)}" target="_blank" rel="noreferrer">'
        f"The terms of {escape(base.name)} hold for whoever asks it.</a>"
        for one in obliging(base.license)
    )
