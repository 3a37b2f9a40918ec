"""What to ask next, and how good we are. Arrays in, arrays out; knows no file and no screen."""
