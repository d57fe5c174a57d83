"""Adversarial traffic from a seed: packets close to every bound that connection tracking knows."""

from .mix import generate

__all__ = ["generate"]
