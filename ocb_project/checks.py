"""System checks: an unsafe or half-made installation says so before it bills anyone."""
