"""Worker processes whose remote calls a test sees, and may hold up or kill."""
