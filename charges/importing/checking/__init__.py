"""Rows typed and checked, told apart by digests, and added up."""
