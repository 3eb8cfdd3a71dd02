"""A PI objects; staff uphold with an adjustment, or answer. What is in dispute stays due until then."""
