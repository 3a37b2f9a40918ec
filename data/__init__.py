"""The table in, the labels kept, the data set out. Knows no model and no screen."""
