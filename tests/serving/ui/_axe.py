"""What axe-core finds on a page that stands still: a colour on its way to another is nobody's colour."""

_RESTS = """() => Promise.allSettled(document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().endTime !== Infinity).map((one) => one.finished))"""


def rest(page):
    """Wait until all that moves for a while has come to rest."""
    page.evaluate(_RESTS)


def violations(page, **how):
    """axe-core's, each with `id`, `impact` and `nodes`, once all that moves for a while has come to rest."""
    from axe_playwright_python.sync_playwright import Axe

    rest(page)
    return Axe().run(page, **how).response["violations"]
