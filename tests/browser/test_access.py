"""The page for everybody: axe-core finds nothing serious in both themes, zoomed or not."""

from __future__ import annotations

import time
from typing import Any

import pytest
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.tests.browser.actions import expect, wait_for_item, wait_for_map

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

WINDOW = {"viewport": {"width": 1366, "height": 768}}
ZOOMED = {"viewport": {"width": 683, "height": 384}, "device_scale_factor": 2}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
DRAWN_WITHIN = 10  # s until a view that has been opened is whole
SCREENS = [
    pytest.param(WINDOW | {"color_scheme": "light"}, id="light"),
    pytest.param(WINDOW | {"color_scheme": "dark"}, id="dark"),
    pytest.param(ZOOMED | {"color_scheme": "dark"}, id="dark-zoomed"),
]


def findings(page: Any, state: str) -> list[str]:
    """What axe-core still calls serious or critical once what is shown has been drawn, one line an element."""
    until = time.monotonic() + DRAWN_WITHIN
    while (found := findings_now(page, state)) and time.monotonic() < until:
        page.wait_for_function("() => Bokeh.documents[0].is_idle")
    return found


def findings_now(page: Any, state: str) -> list[str]:
    """What axe-core calls serious or critical in what is shown now, one line an element."""
    answer = axe.Axe().run(page, options=RULES).response
    return [
        f"{state}: {rule['id']} ({rule['impact']}) at {node['target']}: {node['html'][:160]} "
        + "; ".join(check["message"] for check in [*node["any"], *node["all"], *node["none"]])
        for rule in answer["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_serious_on_the_page(page, serve, digits, screen):
    serve(digits)
    wait_for_item(page)
    wait_for_map(page)
    found = []
    for tab in page.get_by_role("tab").all():
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        page.wait_for_function("() => Bokeh.documents[0].is_idle")
        found += findings(page, tab.inner_text())
    page.keyboard.press("Escape")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    found += findings(page, "keys")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_serious_on_the_page_of_the_login(page, serve_with_login, digits, screen):
    page.goto(serve_with_login(digits, "open sesame").url)
    page.get_by_label("Your name").fill("ann")
    page.get_by_label("Password").fill("open barley")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That is not the password of this server.")
    assert not findings_now(page, "login")
    page.get_by_label("Your name").fill("ann")
    page.get_by_label("Password").fill("open sesame")
    page.keyboard.press("Enter")
    wait_for_item(page)


@pytest.mark.parametrize("screen", SCREENS[1:3])
def test_nothing_serious_on_the_set_up_page(page, serve, tmp_path, screen):
    source = tmp_path / "kinds.csv"
    source.write_text("id,a,b,kind\n" + "".join(f"o{i},{i},{i % 7},{'xy'[i % 2]}\n" for i in range(60)))
    serve(Workspace.create(workspace_folder(source), source))
    expect(page.get_by_role("button", name="Start labelling")).to_be_enabled()
    page.wait_for_function("() => Bokeh.documents[0].is_idle")
    found = findings(page, "set-up")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("screen", SCREENS[1:2])
def test_the_theme_follows_the_system_until_another_is_chosen_and_is_kept(page, serve, digits, screen):
    serve(digits)
    wait_for_item(page)
    card, button = page.locator("section.surface").locator(".."), page.get_by_test_id("theme")
    expect(card).to_have_class("host dark")
    expect(button).to_have_accessible_name("Theme: as the system has it, now dark. Change it")
    page.emulate_media(color_scheme="light")
    expect(card).to_have_class("host")
    page.emulate_media(color_scheme="dark")
    expect(card).to_have_class("host dark")
    button.click()
    expect(card).to_have_class("host")
    expect(page.locator("html")).to_have_css("color-scheme", "light")
    page.reload(wait_until="domcontentloaded")
    wait_for_item(page)
    expect(card).to_have_class("host")
    button.press("Enter")
    button.press("Enter")
    expect(button).to_have_accessible_name("Theme: as the system has it, now dark. Change it")
    expect(card).to_have_class("host dark")
