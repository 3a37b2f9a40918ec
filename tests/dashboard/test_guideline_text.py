"""Guidelines as HTML: nothing in them runs or asks another host; and what has changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rareloop.dashboard.guideline_text import difference, rendered


def test_markdown_is_rendered():
    html = rendered("# Title\n\n- *one*\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert "<h1>Title</h1>" in html
    assert "<em>one</em>" in html
    assert "<table>" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](https://elsewhere.example/p.png)",
        "<iframe src='https://elsewhere.example'></iframe>",
        "[x]: javascript:alert(1)\n\n[x]",
        '<https://a.example/"onmouseover=alert(1)>',
    ],
)
def test_nothing_runs_and_nothing_is_loaded(text):
    html = rendered(text)
    for part in ("<script", "<img", "<iframe", 'href="javascript', '" onmouseover', "<input"):
        assert part not in html


def test_links_open_in_another_tab_that_knows_nothing_of_this_one():
    assert 'target="_blank" rel="noopener noreferrer"' in rendered("[x](https://a.example)")


@given(st.text(alphabet="<>&\"'()[]!:/ab\n*`", max_size=60))
def test_whatever_is_written_makes_no_tag_of_its_own(text):
    html = rendered(text)
    tags = {part.split(">")[0].split()[0].strip("/") for part in html.split("<")[1:] if part.strip()}
    assert tags <= {"p", "a", "em", "strong", "code", "pre", "blockquote", "ul", "li", "h1", "h2", "br", "hr"}


def test_a_difference_shows_what_was_added_and_removed_as_text():
    html = difference("a\nb\nc\nd\ne\nf\ng", "a\nb\nc\nd\n<b>E</b>\nf\ng")
    assert "removed: " in html
    assert "&lt;b&gt;E&lt;/b&gt;" in html
    assert ">a<" not in html
    assert difference("a", "a") == "<p>Nothing has changed.</p>"
