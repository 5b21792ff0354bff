"""What is known about a phone call, and the parsers for phone numbers, timestamps and wording that find it."""
