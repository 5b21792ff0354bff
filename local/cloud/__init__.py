"""AWS as moto has it, and on it what template.yaml declares: resources, secrets, schedules."""
