"""Waiting for what a page tells or draws in its own time."""

_NOTE = """button => {
  window.told = [];
  new MutationObserver(() => told.push(button.textContent)).observe(button, { childList: true });
}"""


def drawn(page, images):
    """Wait until the pictures of a selector have come, and with them their height."""
    all_there = "selector => [...document.querySelectorAll(selector)].every((one) => one.naturalWidth)"
    page.locator(images).first.wait_for(state="attached")
    page.wait_for_function(all_there, arg=images)


def copied(page):
    """Press Copy; what the clipboard has once the button has said so, which it does for a moment only."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator("[data-do=copy]")
    button.evaluate(_NOTE)
    button.click()
    page.wait_for_function("told.includes('Copied')")
    return page.evaluate("navigator.clipboard.readText()")
