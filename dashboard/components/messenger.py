"""What components that talk with the browser by messages have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from bokeh.document import Document
from panel.custom import JSComponent

Receive = Callable[[dict[str, Any]], None]


class Component(JSComponent):
    """A component of the browser that is quick to make.

    Panel goes through everything that is inside a component to mark it as part of the page, for each of the
    components around it again. What is inside has marked itself: only the component's own data are left.
    """

    __abstract = True

    _bundle_path = None  # Panel would look beside every module above it, for each component

    def _get_properties(self, doc: Document | None) -> dict[str, Any]:
        """As Panel's; a script that has a name is run as it is, once, and not translated for each component."""
        props = super()._get_properties(doc)
        return props | {"bundle": hashlib.sha256(props["esm"].encode()).hexdigest()}

    @classmethod
    def _patch_datamodel_ref(cls, props: Any, ref: str) -> None:
        mark = f"__ref:{ref}"
        if mark not in props.tags:
            props.tags.append(mark)


class Messenger(Component):
    """A component of the browser that is sent messages, and whose own go to `on_message`.

    Messages rather than properties: a property that changes while the page is still being built may not arrive.
    """

    __abstract = True

    def __init__(self, on_message: Receive = lambda message: None, **params: Any) -> None:
        super().__init__(**params)
        self._on_message = on_message

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the browser; call it with the document's lock held."""
        self._send_msg(message)

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            self._on_message(data)


class Shower(Messenger):
    """A component that shows a state, and asks for it with ``hello`` once the browser has made it."""

    __abstract = True

    _state: dict[str, Any] = {}  # noqa: RUF012 (never changed in place)

    when_there: Callable[[], None] | None = None
    """Called when the browser has made the component, without the document's lock."""

    def show(self, state: dict[str, Any]) -> None:
        """Show a state; call it with the document's lock held."""
        if state != self._state:
            self._state = state
            self.send(state)

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict) and data.get("type") == "hello":
            self.send(self._state)
            if self.when_there is not None:
                self.when_there()
        else:
            super()._handle_msg(data)
