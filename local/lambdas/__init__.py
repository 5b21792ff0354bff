"""The functions as Lambda runs them: worker processes, and one HTTP server for the API and for Invoke."""
