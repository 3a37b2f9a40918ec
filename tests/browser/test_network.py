"""When the network or another tab comes between: nothing is lost, and the page says what is not stored yet."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import MOVED_ON, expect, press_and_wait, wait_for_item, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# A socket that can be cut: it closes, and no new one opens, until the network is back.
CUTTABLE = """(() => {
    const Real = window.WebSocket
    const sockets = new Set()
    window.isCut = () => sessionStorage.getItem('cut') === 'yes'
    window.cutNetwork = () => {
        sessionStorage.setItem('cut', 'yes')
        for (const socket of sockets) socket.close()
    }
    window.mendNetwork = () => sessionStorage.removeItem('cut')
    window.WebSocket = class extends Real {
        constructor(...given) {
            super(...given)
            sockets.add(this)
            if (window.isCut()) this.close()
        }
        send(data) { if (!window.isCut()) super.send(data) }
    }
})()"""
SINCE_KEY = """key => new Promise(resolve => {
    const start = performance.now()
    const find = root => root.querySelector('section.surface') ||
        [...root.querySelectorAll('*')].map(e => e.shadowRoot && find(e.shadowRoot)).find(Boolean)
    const banner = find(document).querySelector('[role=alert]')
    window.dispatchEvent(new KeyboardEvent('keydown', {key}))
    const look = () => banner.hidden ? requestAnimationFrame(look) : resolve(performance.now() - start)
    look()
})"""


def test_the_network_is_gone_in_the_middle_of_keys_and_nothing_is_lost(page, serve, digits):
    page.expected_errors = ("ebsocket", "WebSocket", "not connected", "Failed to load", "ERR_", "repull")
    page.add_init_script(CUTTABLE)
    served = serve(digits)
    session = served.session
    wait_for_item(page)
    keyed = {press_and_wait(page, key)[0]: key for key in "12"}
    wait_until_saved(page)
    page.evaluate("() => window.cutNetwork()")
    keyed |= {press_and_wait(page, key)[0]: key for key in "345"}
    row = wait_for_item(page)
    late = page.evaluate(SINCE_KEY, "6")
    keyed[row] = "6"
    assert late < 3000  # the oldest of them has waited for two seconds
    expect(page.get_by_role("alert").filter(has_text="kept in this browser")).to_contain_text("4 answers")
    keyed |= {press_and_wait(page, key)[0]: key for key in "78"}
    page.wait_for_timeout(5000)
    assert session.state.n_labelled == 2
    page.evaluate("() => window.mendNetwork()")
    served.wait(lambda: session.state.n_labelled == 8, "all answers in the log")
    expect(page.get_by_role("alert").filter(has_text="kept in this browser")).to_be_hidden()
    wait_until_saved(page)
    assert {row: session.item_state(row)["label"] for row in keyed} == keyed
    assert len(session.workspace.log.events()) == 8  # sent more than once, stored once
    press_and_wait(page, "9")
    served.wait(lambda: session.state.n_labelled == 9, "an answer after all that")


def test_the_network_is_gone_for_a_minute_and_the_page_comes_back_by_itself(page, serve, digits):
    page.expected_errors = ("ebsocket", "WebSocket", "not connected", "Failed to load", "ERR_", "repull")
    page.add_init_script(CUTTABLE)
    served = serve(digits)
    session = served.session
    wait_for_item(page)
    page.route(
        "**/static/js/bokeh.min.js",
        lambda route: route.abort() if route.request.method == "HEAD" else route.continue_(),
    )
    page.evaluate("() => window.cutNetwork()")
    keyed = {press_and_wait(page, key)[0]: key for key in "345"}
    row = wait_for_item(page)
    page.wait_for_timeout(60_000)  # Bokeh tries for half a minute
    assert session.state.n_labelled == 0
    page.evaluate("() => window.mendNetwork()")
    page.unroute("**/static/js/bokeh.min.js")
    wait_until_saved(page)
    assert {row: session.item_state(row)["label"] for row in keyed} == keyed
    assert session.state.n_labelled == 3
    assert wait_for_item(page) == row  # what was on the card is there again
    press_and_wait(page, "9")
    served.wait(lambda: session.state.n_labelled == 4, "an answer after all that")


def test_two_tabs_at_once_never_ask_the_same_twice_and_lose_nothing(page, serve, digits):
    served = serve(digits)
    session = served.session
    wait_for_item(page)
    second = page.context.new_page()
    second.goto(served.url)
    wait_for_item(second)
    keyed: dict[int, str] = {}
    for number in range(10):
        tab, other = (page, second) if number % 2 else (second, page)
        before = wait_for_item(tab)
        was = wait_for_item(other)
        keyed[press_and_wait(tab, str(number))[0]] = str(number)
        if was == before:
            other.wait_for_function(MOVED_ON, arg=before)
    served.wait(lambda: session.state.n_labelled == 10, "ten labels")
    assert {row: session.item_state(row)["label"] for row in keyed} == keyed
    assert len(session.workspace.log.events()) == 10
    page.keyboard.press("z")  # both tabs are one annotator's: the newest answer, whichever tab gave it
    served.wait(lambda: session.state.n_labelled == 9, "the undo")
    wait_until_saved(page)
    wait_until_saved(second)
