"""What each chart of the metrics means and what it does not, in words."""

from __future__ import annotations

from html import escape

CHARTS = {
    "Over labels": (
        "Audit estimates after each round. Bends inside the band are noise; a plateau does not mean that all is "
        "found."
    ),
    "Precision–recall": (
        "How the items that the model did not learn from rank; the mark is where it decides now. Dashed: the base "
        "rate, the precision of guessing."
    ),
    "Reliability": (
        "Do probabilities come true? On the dashed line they do; limits that reach it say nothing against them."
    ),
    "Discovery": (
        "What was found, not what is missing: a flat end may be a blind spot. Dashed: random search; dotted: "
        "perfect."
    ),
    "Cost per find": (
        "Labels per find by 50 labels, audit included; open above without a find. Dear: few left, or the wrong "
        "place."
    ),
    "Confusion": (
        "Estimated items that the model did not learn from, without limits of their own: go by precision and "
        "recall."
    ),
    "Arms": "What each strategy yielded, whenever it asked: limits that overlap do not rank them.",
    "Cross-validation": (
        "A rising line says that the model learns its labels. It cannot see what has not been found."
    ),
}
RANKING = (
    "AP looks at the top of the ranking, which is what you read when you search, and must not be compared between "
    "tables; AUROC counts every pair in wrong order alike, and .98 can go with a precision of 5 %."
)


def note_html(chart: str, why: str = "") -> str:
    """The sentence under a chart, or why there is nothing on it."""
    words = f"<b>{escape(why)}</b>" if why else escape(CHARTS[chart])
    return f'<p data-testid="chart-note" style="margin:0">{words}</p>'
