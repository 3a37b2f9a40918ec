"""Two parts of a view: beside each other where there is room for both, below each other where there is not."""

from __future__ import annotations

import panel as pn

LOWEST = 260  # px: a chart that can be read
ROW = ":host { container-type: size; overflow: hidden auto; }"


def halves(
    left: pn.viewable.Viewable,
    right: pn.viewable.Viewable,
    *,
    least: tuple[int, int],
    grow: tuple[int, int] = (1, 1),
    lowest: int | None = LOWEST,
) -> pn.Row:
    """Put two parts beside each other, or in a narrow place below each other; the row scrolls where it is low.

    Parameters
    ----------
    left, right
        The parts.
    least
        The width (px) that each needs beside the other.
    grow
        How what is left of the width is divided between them.
    lowest
        The height (px) that each needs; None for what is as high as its content.
    """
    beside, below = ("auto", "auto") if lowest is None else (f"max(100%, {lowest}px)", f"max(50%, {lowest}px)")
    for part, width, share in zip((left, right), least, grow, strict=True):
        part.styles = {**part.styles, "flex": f"{share} 1 {width}px"}
        part.css_classes = [*part.css_classes, "half"]
    rules = (
        f".half {{ height: {beside} !important; }}"
        f"@container (max-width: {sum(least) - 1}px) "
        f"{{ .half {{ flex: 1 1 100% !important; height: {below} !important; }} }}"
    )
    return pn.Row(
        left,
        right,
        sizing_mode="stretch_both",
        margin=0,
        styles={"min-height": "0", "flex-wrap": "wrap", "align-content": "flex-start"},
        stylesheets=[ROW + rules],
    )
