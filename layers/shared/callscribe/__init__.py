"""Callscribe's nouns: what the functions share. Nothing in here knows a function."""
