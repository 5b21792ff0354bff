"""Transcripts: how responses become one, and how the two channels of a call are merged."""
