"""The joints around plain functions: Prefect tasks inside a flow run, plain calls outside one."""
