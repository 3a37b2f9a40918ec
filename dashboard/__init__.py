"""The loop as a running thing: its worker, its pages, its command line."""

import os

# Read once, when Panel is first imported: a session that is made anew after its page expired would
# otherwise ask another host for its style sheets.
os.environ.setdefault("PANEL_CDN_ROOT", "/_panel/")
