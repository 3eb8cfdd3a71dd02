"""What a delivery changes, and how it becomes current in one short transaction."""
