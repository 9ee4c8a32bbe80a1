"""One module a revision; the file's name is the revision's."""
