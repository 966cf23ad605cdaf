"""The six pages in a browser: no error in the console, a drag changes the picture, names stay text."""

from __future__ import annotations

import pytest

from tests.ui import browser
from tests.ui.conftest import TOKEN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.executable() is None, reason="no Chromium on this machine: apt-get install chromium"),
]
PAGES = {
    "Map": "!!window.explorer?.plot",
    "Latents": "document.querySelectorAll('input[type=range]').length",
    "Paths": "!!document.querySelector('.plot canvas')",
    "Prior and posterior": "!!document.querySelector('.plot canvas')",
    "Runs": "document.querySelectorAll('svg polyline').length > 4",
    "Data": "document.querySelectorAll('main figure').length > 4",
}


@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_loads_without_an_error_and_asks_this_machine_only(address: str, width: int) -> None:
    with browser.page(width) as tab:
        for run in range(3):
            for name, ready in PAGES.items():
                tab.open(f"{address}/?token={TOKEN}#run={run}&page={name.replace(' ', '+')}")
                tab.until(f"document.querySelector('button[aria-current]')?.textContent === '{name}' && !!({ready})")
                assert tab.run("document.getElementById('error').textContent") == ""
                assert tab.run("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        assert tab.errors == []
        assert {url.split("/")[2] for url in tab.requested if url.startswith("http")} == {address.split("/")[2]}


def test_dragging_changes_the_picture(address: str) -> None:
    picture = "document.querySelector('canvas.row').toDataURL()"
    with browser.page() as tab:
        tab.open(f"{address}/?token={TOKEN}#run=0&page=Map")
        tab.until(PAGES["Map"])
        box = tab.run("(b => [b.x, b.y, b.width, b.height])(document.querySelector('.plot').getBoundingClientRect())")
        blank = tab.run(picture)
        seen = set()
        for step in range(12):
            x, y = box[0] + box[2] * (0.2 + 0.05 * step), box[1] + box[3] * 0.5
            if step == 0:
                tab.mouse("mousePressed", x, y)
            tab.mouse("mouseMoved", x, y)
            tab.until(f"window.explorer?.decoder.times.length >= {step + 1}")
            seen.add(tab.run(picture))
        tab.mouse("mouseReleased", x, y)
        assert len(seen - {blank}) > 6
        assert tab.errors == []


def test_a_slider_and_the_arrow_keys_change_the_picture(address: str) -> None:
    picture = "document.querySelector('canvas.row').toDataURL()"
    with browser.page() as tab:
        tab.open(f"{address}/?token={TOKEN}#run=0&page=Latents")
        tab.until("window.explorer?.decoder.times.length")
        before = tab.run(picture)
        slider = "document.querySelector('input[type=range]')"
        tab.run(f"{slider}.focus(); {slider}.value = {slider}.max; {slider}.dispatchEvent(new Event('input'))")
        tab.until(f"{picture} !== {before!r}")
        tab.until("document.querySelectorAll('.strip canvas').length === 9")


def test_hostile_names_stay_text(address: str) -> None:
    with browser.page() as tab:
        for name, ready in PAGES.items():
            tab.open(f"{address}/?token={TOKEN}#run=2&page={name.replace(' ', '+')}")
            shown = "document.querySelector('main').innerText.includes('<b>kind')"
            tab.until(f"({ready}) && document.getElementById('busy').textContent === ''")
            if name != "Paths":
                tab.until(shown)
            assert not tab.run("document.querySelectorAll('main b, main i:not([style])').length"), name
        assert tab.errors == []


def test_a_class_is_chosen_on_the_map(address: str) -> None:
    with browser.page() as tab:
        tab.open(f"{address}/?token={TOKEN}#run=2&page=Map")
        tab.until(PAGES["Map"])
        count = tab.run("window.explorer.plot.at.length")
        select = "document.querySelector('select[aria-label=Class]')"
        tab.run(f"{select}.selectedIndex = 1; {select}.dispatchEvent(new Event('change'))")
        tab.until(f"0 < window.explorer.plot.at.length && window.explorer.plot.at.length < {count}")
        before = tab.run("document.querySelector('.rows').innerText")
        tab.run("document.querySelector('.plot [tabindex]').focus()")
        tab.send("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight")
        tab.until(f"document.querySelector('.rows').innerText !== {before!r}")
        assert tab.errors == []


def test_a_wrong_token_is_said_in_words(address: str) -> None:
    with browser.page() as tab:
        tab.open(f"{address}/?token=wrong")
        tab.until("document.body.innerText.includes('token is missing or wrong')")
