"""Who pays: decided for a delivered row, decided again after a review, merged, and tried before a rule is set."""
