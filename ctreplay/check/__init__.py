"""Assertions over replays, for CI: `ctreplay check` and the pytest plug-in."""
