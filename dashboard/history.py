"""What was answered, for those who look back: the answer before or after another one."""

from __future__ import annotations

from .session import LabellingSession


def answer_beside(session: LabellingSession, row: int | None, *, back: bool) -> int | None:
    """The row of the annotator's answer before, or after, the one on an item.

    Parameters
    ----------
    row
        An item; where the annotator has no answer in force on it, it stands after the newest one.
    back
        Whether to look for the answer given before, or the one after.

    Returns
    -------
    int or None
        The row of an item with an answer in force; None when there is none in that direction.
    """
    ids = session.workspace.ids
    item_id = None if row is None else ids.text(row)
    here = None if item_id is None else session.state.items.get(item_id)
    is_behind = here is None or here.event.annotator != session.annotator
    later: str | None = None
    for event in session.state.standing(session.annotator):
        if is_behind:
            return int(ids.find([event.item_id])[0]) if back else None
        if event.item_id == item_id:
            if not back:
                break
            is_behind = True
        else:
            later = event.item_id
    return None if back or is_behind or later is None else int(ids.find([later])[0])
