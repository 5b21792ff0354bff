"""Metadata of phone calls, and parsers for its values: phone numbers, names, directions and timestamps."""
