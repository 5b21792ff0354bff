"""All settings: what the template sets as environment variables, and the module settings that users can override.

Functions only load and cache them. Each function that has environment variables of its own has a Python module here, so
that a cold start pays only for the settings that the function uses; the table names are in `environment`.
"""
