"""A simulated AWS (moto) with what template.yaml declares: resources, secrets, schedules, upload events."""
