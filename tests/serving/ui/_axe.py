"""What axe-core finds on a page that stands still: a colour on its way to another is nobody's colour."""

_STILL = """() => Promise.allSettled(document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().endTime !== Infinity).map((one) => one.finished))"""


def violations(page, **how):
    """axe-core's, each with `id`, `impact` and `nodes`, once all that moves for a while has come to rest."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(_STILL)
    return Axe().run(page, **how).response["violations"]
