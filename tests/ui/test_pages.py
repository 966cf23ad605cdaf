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


def test_a_hundred_thousand_points_are_not_drawn_again_as_the_pointer_moves(address: str) -> None:
    """Counts, not seconds: colors and places go to the graphics card once, and a move draws the cross alone."""
    counted = """
        window.counts = {};
        const count = (owner, name) => {
          const before = owner.prototype[name];
          owner.prototype[name] = function (...given) {
            counts[name] = (counts[name] ?? 0) + 1;
            return before.apply(this, given);
          };
        };
        for (const name of ["bufferData", "drawArrays"]) count(WebGLRenderingContext, name);
        for (const name of ["fillRect", "stroke"]) count(CanvasRenderingContext2D, name);
    """
    many = """
        import('/plot.js').then(({ Plot, cross }) => {
          const at = Array.from({ length: 100000 }, (_, i) => [i % 317, i % 331]);
          const plot = new Plot(["a", "b"], "many");
          document.body.append(plot.node);
          let place = at[0];
          plot.foreground = (context) => cross(context, plot, place);
          plot.show(at, at.map((_, i) => (i % 2 ? "#0072b2" : "#d55e00")), 3);
          plot.steer((point) => { place = point; plot.mark(); }, () => place);
          plot.over.id = "many";
          return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        })
    """
    with browser.page() as tab:
        tab.open(f"{address}/?token={TOKEN}#run=1&page=Runs")
        tab.until(PAGES["Runs"])
        tab.run(counted)
        tab.run(many)
        tab.run("counts.stroke = 0; window.before = { ...counts }; document.getElementById('many').focus()")
        assert tab.run("(before.bufferData ?? 0) + (before.fillRect ?? 0)") > 0
        for _ in range(20):
            tab.send("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight")
        assert tab.run("counts.stroke") == 20
        assert tab.run("['bufferData', 'drawArrays', 'fillRect'].every((name) => counts[name] === before[name])")
        assert tab.errors == []


def test_a_wrong_token_is_said_in_words(address: str) -> None:
    with browser.page() as tab:
        tab.open(f"{address}/?token=wrong")
        tab.until("document.body.innerText.includes('token is missing or wrong')")
