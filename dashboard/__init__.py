"""The loop as a running thing: its worker, its pages, its command line."""
