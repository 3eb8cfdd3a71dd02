"""A finalized charge proves wrong: a reversal and a rebill in an open month, on documented grounds."""
