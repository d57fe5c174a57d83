"""What changed between two replays: `ctreplay diff`."""
