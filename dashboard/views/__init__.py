"""One file a view of the page."""
