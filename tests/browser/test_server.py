"""The real command in a process of its own: pulling the plug, the login, a classifier of the user's."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from rareloop.tests.browser.actions import PATIENCE, expect, press_and_wait, wait_for_item, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OWN_CLASSIFIER = """
from sklearn.naive_bayes import GaussianNB
class Mine(GaussianNB):
    pass
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pull_the_plug(process) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def expect_labels(page, n) -> None:
    """Wait for an item, so many labels, and nothing unsaved."""
    wait_for_item(page)
    expect(page.get_by_test_id("found")).to_contain_text(f"{n} labels")
    wait_until_saved(page)


@pytest.fixture
def command(tmp_path, page):
    """Starts `rareloop demo`, or another command, and waits until it answers; kills it afterwards."""
    running = []

    def start(*flags, port, verb=("demo", "--workspace", "kept"), **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "rareloop", *verb, "--no-show", "--port", str(port), *flags],
            cwd=tmp_path,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        running.append(process)
        until = time.monotonic() + 4 * PATIENCE / 1000
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                return process
            except OSError:  # refused, or too slow to answer
                assert process.poll() is None, process.stdout.read().decode()
                assert time.monotonic() < until, "the server never answered"
                time.sleep(0.05)

    yield start
    page.goto("about:blank")  # so that the page does not miss its server
    for process in running:
        process.kill()
        process.wait()


def test_the_plug_is_pulled_and_nothing_that_was_saved_is_gone(page, command):
    page.expected_errors = ("ebsocket", "ERR_CONNECTION", "not connected", "Failed to load")
    port = free_port()
    process = command(port=port)
    page.goto(f"http://127.0.0.1:{port}/", wait_until="domcontentloaded")
    wait_for_item(page)
    for key in "12345":
        press_and_wait(page, key)
    wait_until_saved(page)
    pull_the_plug(process)
    # An answer that the dead server never saw is announced, kept by the browser, and sent to the next one.
    press_and_wait(page, "6")
    expect(page.get_by_role("alert").filter(has_text="kept in this browser")).to_be_visible()
    command(port=port)
    page.reload(wait_until="domcontentloaded")
    expect_labels(page, 6)


def test_the_folder_is_sent_to_a_colleague_who_sees_the_same(page, command, tmp_path):
    page.expected_errors = ("ebsocket", "ERR_CONNECTION", "not connected", "Failed to load")
    port = free_port()
    process = command(port=port)
    page.goto(f"http://127.0.0.1:{port}/", wait_until="domcontentloaded")
    wait_for_item(page)
    keyed = {press_and_wait(page, key)[0]: key for key in "1234u"}
    wait_until_saved(page)
    pull_the_plug(process)
    page.goto("about:blank")
    elsewhere = tmp_path / "a colleague's" / "sent"
    elsewhere.parent.mkdir()
    shutil.move(tmp_path / "kept", elsewhere)
    port = free_port()  # another address: what this browser remembers of the first one is not there
    command("--annotator", "colleague", port=port, verb=("serve", str(elsewhere / "digits.rareloop")))
    page.goto(f"http://127.0.0.1:{port}/", wait_until="domcontentloaded")
    expect_labels(page, 4)
    page.get_by_role("tab", name="History").click()
    lines = page.get_by_role("region", name="History").locator("tbody tr")
    expect(lines).to_have_count(5)
    for row, key in keyed.items():
        line = lines.filter(has=page.get_by_role("button", name=f"d{row:04d}", exact=True))
        expect(line).to_contain_text("unsure" if key == "u" else key)
    press_and_wait(page, "5")
    expect_labels(page, 5)


def test_every_answer_says_who_may_frame_it_and_what_it_is(command):
    port = free_port()
    command(port=port)
    for path in ("", "item-image/0", "export-file/none.csv", "static/js/bokeh.min.js"):
        try:
            told = urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30).headers
        except urllib.error.HTTPError as error:
            told = error.headers
        ancestors = told["Content-Security-Policy"].split(";")[0].split()
        assert ancestors[:2] == ["frame-ancestors", "'self'"]
        assert all("//localhost:" in one or "//127.0.0.1:" in one for one in ancestors[2:])
        assert told["X-Content-Type-Options"] == "nosniff"
        assert told["Referrer-Policy"] == told["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_plug_is_pulled_between_a_key_and_its_acknowledgement(page, command):
    # Six answers that are stored while the page is being made may reach it before the models that they change.
    page.expected_errors = ("ebsocket", "ERR_CONNECTION", "not connected", "Failed to load")
    port = free_port()
    process = command(port=port)
    page.goto(f"http://127.0.0.1:{port}/", wait_until="domcontentloaded")
    wait_for_item(page)
    for key in "123456":
        page.keyboard.press(key)
    pull_the_plug(process)
    command(port=port)
    page.reload(wait_until="domcontentloaded")
    expect_labels(page, 6)


def test_ctrl_c_ends_it_and_says_that_all_is_saved(command):
    process = command(port=free_port())
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert "Everything is saved." in process.stdout.read().decode()


def test_with_a_password_nothing_is_shown_before_the_login(page, command):
    port = free_port()
    command(port=port, RARELOOP_PASSWORD="open sesame")
    for path in ("", "item-image/0", "export-file/labels.csv", "certificate-file/certificate-001.md"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
            assert "/login" in answer.url
    page.goto(f"http://127.0.0.1:{port}/", wait_until="domcontentloaded")
    page.locator("input[name=username]").fill("anybody")
    page.locator("input[name=password]").fill("open sesame")
    page.locator("input[type=submit], button[type=submit]").first.click()
    wait_for_item(page)


def test_a_classifier_of_the_users_own_beside_the_table(page, command, tmp_path):
    (tmp_path / "mymodels.py").write_text(OWN_CLASSIFIER)
    port = free_port()
    command("--classifier", "mymodels:Mine", port=port)
    page.goto(f"http://127.0.0.1:{port}/", wait_until="domcontentloaded")
    wait_for_item(page)
    for key in "1212":
        press_and_wait(page, key)
    page.get_by_role("tab", name="Strategy").click()
    expect(page.get_by_test_id("strategy-info")).to_contain_text("fit 0.")  # a round with the model has come
    press_and_wait(page, "1")
    expect(page.get_by_test_id("suggestion")).to_contain_text("Most likely")
    expect(page.get_by_role("combobox").filter(has_text="mymodels:Mine")).to_be_visible()
