"""What turns audio into words: PocketSphinx, which is always installed, and Whisper, which is an option."""
