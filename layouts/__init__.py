"""Which views stand where on the page."""
