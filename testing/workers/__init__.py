"""Worker processes for tests: real functions, and ones that a test can hold or kill at a remote request."""
