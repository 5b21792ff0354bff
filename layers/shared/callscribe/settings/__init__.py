"""Settings: what the template sets in the environment, and the module settings that users can override."""
