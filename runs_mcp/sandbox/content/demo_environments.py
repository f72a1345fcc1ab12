"""The environments of the sandbox and their models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from runs_mcp.sandbox.access import ACCOUNT, PROJECT

Document = dict[str, Any]
CREATED = "2026-01-15T09:00:00.000Z"
OWNER = "user:66a1f0c2e4b0a1b2c3d4c0de"


@dataclass(frozen=True, slots=True)
class Environment:
    """A connection to a provider of models."""

    id: str
    name: str
    provider: str
    models: Sequence[str]
    failures: Sequence[tuple[str, str]] = (("unavailable", "The model is overloaded."),)
    """Errors of its models: code and message."""
    prices: tuple[float, float] | None = None
    """US dollars per million prompt and result tokens, where the provider reports its charges."""
    allowed_projects: Sequence[str] = ()
    """Ids of the projects that may use it; empty for all."""

    @property
    def reference(self) -> Document:
        """Return the environment as runs of the strict contract contain it."""
        return {
            "id": self.id,
            "name": self.name,
            "provider": self.provider,
            "default_model": self.models[0],
            "account": ACCOUNT["id"],
            "created_by": OWNER,
            "updated_by": OWNER,
            "created_at": CREATED,
            "updated_at": CREATED,
        }

    @property
    def whole(self) -> Document:
        """Return the environment as `GET /environments` returns it, with secrets that no client may pass on."""
        return {
            **self.reference,
            "description": f"Models of {self.name}.",
            "enabled_models": self.listed_models,
            "endpoint_url": f"https://{self.provider}.internal.example/never-show-this-url",
            # Clients must not pass these values on; tests search their output for `never-show-this`.
            "apiKey": "never-show-this-key",
            "apikey_hint": "neve...-key",
            "config": {"secret": "never-show-this-config"},
            "settings": {"default_headers": {"x-api-key": "never-show-this-setting"}},
            **({"allowed_projects": list(self.allowed_projects)} if self.allowed_projects else {}),
        }

    @property
    def listed_models(self) -> list[Document]:
        """Return the models as `GET /environments/{id}/models` lists them."""
        return [
            {"id": model, "provider": self.provider, "environment": self.id, **MODELS[model]} for model in self.models
        ]

    @property
    def usable(self) -> bool:
        """True if the project of the sandbox may use the environment."""
        return not self.allowed_projects or PROJECT["id"] in self.allowed_projects


def find_environment(environment_id: Any) -> Environment | None:
    """Return the environment with this id; None if it is unknown."""
    return next((environment for environment in ENVIRONMENTS if environment.id == environment_id), None)


def _model(name: str, owner: str, *, images: bool = False, tools: bool = True, **more: Any) -> Document:
    return {
        "name": name,
        "owner": owner,
        "type": "text",
        "status": "available",
        "tags": ["chat"],
        "can_stream": True,
        "is_multimodal": images,
        "tool_support": tools,
        "input_modalities": ["text", "image"] if images else ["text"],
        "output_modalities": ["text"],
        **more,
    }


MODELS: Mapping[str, Document] = MappingProxyType(
    {
        "gpt-4o": _model("GPT-4o", "openai", images=True),
        "gpt-4o-mini": _model("GPT-4o mini", "openai", images=True),
        "claude-3-5-sonnet": _model("Claude 3.5 Sonnet", "anthropic", images=True),
        "claude-3-haiku": _model("Claude 3 Haiku", "anthropic"),
        "gemini-1.5-pro": _model("Gemini 1.5 Pro", "google", images=True),
        "mistral-large": _model("Mistral Large", "mistral", tools=False),
        "retired-model": _model("Retired model", "retired", tools=False, status="legacy", can_stream=False),
    }
)

ENVIRONMENTS: Sequence[Environment] = (
    Environment(
        "66b2f0c2e4b0a1b2c3d4e001",
        "OpenAI production",
        "openai",
        ("gpt-4o", "gpt-4o-mini"),
        (("rate_limit_exceeded", "Rate limit reached for requests per minute."),),
        (2.5, 10.0),
    ),
    Environment(
        "66b2f0c2e4b0a1b2c3d4e002",
        "Bedrock EU",
        "bedrock",
        ("claude-3-5-sonnet", "claude-3-haiku"),
        (
            ("throttling", "Too many tokens, please wait before trying again."),
            ("timeout", "The model timed out after 60 s."),
        ),
    ),
    Environment(
        "66b2f0c2e4b0a1b2c3d4e003",
        "Vertex AI",
        "vertexai",
        ("gemini-1.5-pro",),
        (("safety", "The response was blocked by a safety filter."),),
        (1.25, 5.0),
    ),
    # Two environments share a name, as happens in practice: the name alone is ambiguous.
    Environment(
        "66b2f0c2e4b0a1b2c3d4e004",
        "Staging",
        "openai",
        ("gpt-4o-mini",),
        (("invalid_api_key", "Incorrect API key provided."),),
    ),
    Environment("66b2f0c2e4b0a1b2c3d4e005", "Staging", "mistralai", ("mistral-large",)),
    Environment(
        "66b2f0c2e4b0a1b2c3d4e006",
        "Archive",
        "openai_compatible",
        ("retired-model",),
        allowed_projects=("66a1f0c2e4b0a1b2c3d4bee9",),
    ),
)
