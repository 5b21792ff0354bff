"""Transcripts: parsing them from responses, and merging those of the two channels of a call."""
