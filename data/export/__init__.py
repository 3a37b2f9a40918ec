"""The curated data set: labels and their history as files for others."""
