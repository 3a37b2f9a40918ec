"""What the browser itself must do, as Panel components."""
