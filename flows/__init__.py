"""The flows and the `overnight` command: order, parameters and retries, nothing else."""
