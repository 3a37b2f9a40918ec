"""The page for everybody: axe-core finds nothing serious in both themes, zoomed or not; keys suffice."""

from __future__ import annotations

from typing import Any

import pytest
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.tests.browser.actions import (
    current_row,
    expect,
    press_and_wait,
    wait_for_item,
    wait_for_map,
    wait_until_saved,
)

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = pytest.mark.browser

WINDOW = {"viewport": {"width": 1366, "height": 768}}
ZOOMED = {"viewport": {"width": 683, "height": 384}, "device_scale_factor": 2}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
# Tabulator has its pages' buttons inside its grid, where ARIA allows rows alone; they work, and are not ours.
OF_TABULATOR = ("aria-required-children", "pnx-tabulator")
SCREENS = [
    pytest.param(WINDOW | {"color_scheme": "light"}, id="light"),
    pytest.param(WINDOW | {"color_scheme": "dark"}, id="dark"),
    pytest.param(ZOOMED | {"color_scheme": "light"}, id="light-zoomed"),
    pytest.param(ZOOMED | {"color_scheme": "dark"}, id="dark-zoomed"),
]


def findings(page: Any, state: str) -> list[str]:
    """What axe-core calls serious or critical in what is shown now, one line an element."""
    answer = axe.Axe().run(page, options=RULES).response
    return [
        f"{state}: {rule['id']} ({rule['impact']}) at {node['target']}: {node['html'][:160]} "
        + "; ".join(check["message"] for check in [*node["any"], *node["all"], *node["none"]])
        for rule in answer["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not (rule["id"] == OF_TABULATOR[0] and OF_TABULATOR[1] in node["html"])
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


# What has the focus, through all shadow roots: its role or tag, and its words.
FOCUSED = """() => {
    let node = document.activeElement
    while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
    const root = node.getRootNode()
    const label = node.labels?.[0]?.innerText ||
        (node.getAttribute('aria-labelledby') || '').split(' ')
            .map(id => root.getElementById(id)?.innerText || '').join(' ')
    const words = node.getAttribute('aria-label') || label.trim() || node.innerText || node.value || ''
    return [node.getAttribute('role') || node.tagName.toLowerCase(), words]
}"""
MOST_STOPS = 80


def tab_to(page: Any, role: str, words: str) -> None:
    """Press Tab until an element of a role whose words begin so has the focus."""
    met = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        met.append(tuple(page.evaluate(FOCUSED)))
        if met[-1][0] == role and met[-1][1].startswith(words):
            return
    raise AssertionError(f"Tab never came to the {role} {words!r}, but to {met}")


def open_tab(page: Any, name: str) -> None:
    """Walk along the tabs with the arrow keys, and open one; the card must stay."""
    before = current_row(page)
    chosen = page.get_by_role("tab", selected=True).inner_text()
    tab_to(page, "tab", chosen)
    while page.evaluate(FOCUSED)[1] != name:
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")
    assert current_row(page) == before, "keys of the tabs moved the card on"


def test_from_the_table_to_the_export_without_a_mouse(page, serve, tmp_path):
    source = tmp_path / "survey.csv"
    lines = [f"o{i},{(i * 7919) % 101},{i % 13},{'quasar' if i % 9 == 0 else 'star'}" for i in range(180)]
    source.write_text("object,mag,width,kind\n" + "\n".join(lines) + "\n")
    served = serve(Workspace.create(workspace_folder(source), source))
    expect(page.get_by_role("button", name="Start labelling")).to_be_enabled()
    tab_to(page, "input", "Classes, separated by commas")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("star, quasar")
    tab_to(page, "button", "Start labelling")
    page.keyboard.press("Enter")
    wait_for_item(page)
    wait_for_map(page)
    for number in range(10):
        before, _ = press_and_wait(page, "2" if number % 3 == 0 else "1")
    page.keyboard.press("z")
    expect(page.locator("section.surface")).to_have_attribute("data-row", str(before))
    press_and_wait(page, "1")
    wait_until_saved(page)
    served.wait(lambda: served.session.state.n_labelled == 10, "10 labels")

    open_tab(page, "Strategy")
    tab_to(page, "combobox", "Strategy")
    was = served.session.settings.strategy
    page.keyboard.press("Enter")
    page.locator(".MuiPopover-root").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(".MuiPopover-root").wait_for(state="detached")
    served.wait(lambda: served.session.settings.strategy != was, "another strategy")

    open_tab(page, "Export")
    tab_to(page, "button", "Export labels")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("exported")).to_contain_text("10 labelled items")
    tab_to(page, "a", "Download")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    download.value.save_as(tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text().count("\n") == 11
