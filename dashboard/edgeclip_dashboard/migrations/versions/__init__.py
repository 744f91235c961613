"""One module a version of the schema, in their order."""
