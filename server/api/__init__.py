"""Floor 4: REST and pages. `routes` is the table of all of it, `application` puts it together."""
