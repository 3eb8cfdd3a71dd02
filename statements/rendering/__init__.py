"""Statements as PDFs: what they say, composed from frozen lines, and the bytes that are kept."""

from statements.rendering.documents import Rendered, frozen_lines, preview, render_statements

__all__ = ["Rendered", "frozen_lines", "preview", "render_statements"]
