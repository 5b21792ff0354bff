"""All settings: what the template sets as environment variables, and the module settings that users can override.

Functions only load and cache them. Each function has a Python module of its own here for its environment variables,
so that a cold start pays only for the settings that the function uses.
"""
