"""One module for each revision, named after it."""
