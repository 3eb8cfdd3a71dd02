"""Templates that an institution makes its own: what they get, how they are tried, and a text that asks for help."""

from statements.customizing.kinds import KINDS, Kind
from statements.customizing.previewing import Previewed, preview_template
from statements.customizing.prompting import customization_prompt

__all__ = ["KINDS", "Kind", "Previewed", "customization_prompt", "preview_template"]
