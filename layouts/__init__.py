"""Which views stand where on the page: one YAML file a layout."""
