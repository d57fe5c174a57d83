"""The table at any moment: the capture replayed again up to an instant."""
