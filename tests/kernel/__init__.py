"""Scenarios with the kernel's recorded answer. `python -m tests.kernel.record [NAME...]` asks the kernel again."""
