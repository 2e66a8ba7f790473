"""Find, load and call plugins: ``discovery`` lists, ``loading`` imports, ``manager`` calls their hooks."""
