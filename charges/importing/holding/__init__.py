"""The months that a delivery speaks for, and what they hold already."""
