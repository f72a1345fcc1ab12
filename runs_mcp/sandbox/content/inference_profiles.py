"""The inference profiles of the sandbox: presets of environment, model and model options that a create can name."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runs_mcp.sandbox.content.demo_environments import ENVIRONMENTS

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class InferenceProfile:
    """A preset of the strict contract."""

    id: str
    name: str
    environment: str
    model: str
    model_options: Document = field(default_factory=dict)

    def snapshot(self, source: str) -> Document:
        """Return the profile as a run holds it; `source` names what selected it."""
        preset = {"environment": self.environment, "model": self.model, "model_options": self.model_options}
        return {"id": self.id, "name": self.name, "revision": "1", "source": source, "profile": preset}


PROFILES: Sequence[InferenceProfile] = (
    InferenceProfile("66d4f0c2e4b0a1b2c3d4f101", "Careful answers", ENVIRONMENTS[0].id, "gpt-4o", {"temperature": 0}),
    InferenceProfile(
        "66d4f0c2e4b0a1b2c3d4f102", "Cheap drafts", ENVIRONMENTS[0].id, "gpt-4o-mini", {"temperature": 0.7}
    ),
)


def find_profile(profile_id: str) -> InferenceProfile | None:
    """Return the profile with this id, in lower or upper case."""
    return next((profile for profile in PROFILES if profile.id == profile_id.lower()), None)


def profile_of(environment: str, model: str) -> InferenceProfile | None:
    """Return the profile that selects this environment and model."""
    return next((profile for profile in PROFILES if (profile.environment, profile.model) == (environment, model)), None)
