"""The environments of a new sandbox, and the models that providers offer."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from runs_mcp.sandbox.catalog.environment_catalog import Environment

Document = dict[str, Any]


def _model(
    model_id: str, name: str, owner: str, *, images: bool = False, tools: bool = True, **more: Any
) -> dict[str, Any]:
    return {
        "id": model_id,
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


_OPENAI_MODELS = (
    _model("gpt-4o", "GPT-4o", "openai", images=True),
    _model("gpt-4o-mini", "GPT-4o mini", "openai", images=True),
    _model("gpt-4.1", "GPT-4.1", "openai", images=True),
)
_BEDROCK_MODELS = (
    _model("claude-3-5-sonnet", "Claude 3.5 Sonnet", "anthropic", images=True),
    _model("claude-3-haiku", "Claude 3 Haiku", "anthropic"),
)
_GOOGLE_MODELS = (_model("gemini-1.5-pro", "Gemini 1.5 Pro", "google", images=True),)
_MISTRAL_MODELS = (_model("mistral-large", "Mistral Large", "mistral", tools=False),)
_RETIRED_MODELS = (_model("retired-model", "Retired model", "retired", tools=False, status="legacy", can_stream=False),)
PROVIDER_MODELS: Mapping[str, Sequence[Document]] = MappingProxyType(
    {
        provider: [{**model, "provider": provider} for model in models]
        for provider, models in {
            "openai": _OPENAI_MODELS,
            "bedrock": _BEDROCK_MODELS,
            "vertexai": _GOOGLE_MODELS,
            "mistralai": _MISTRAL_MODELS,
            "openai_compatible": _RETIRED_MODELS,
        }.items()
    }
)
"""The models that each provider offers; other providers offer none."""


def _environment(
    environment_id: str, name: str, provider: str, models: Sequence[str], newer_models: Sequence[str] = (), **more: Any
) -> Environment:
    """Return an environment with secrets that no client may pass on; no sample run has used its `newer_models`."""
    enabled = [
        {**model, "environment": environment_id}
        for model in PROVIDER_MODELS[provider]
        if model["id"] in (*models, *newer_models)
    ]
    details = {
        "description": f"Models of {name}.",
        "endpoint_url": f"https://{provider}.internal.example/never-show-this-url",
        # Clients must not pass these values on; tests search their output for `never-show-this`.
        "apiKey": "never-show-this-key",
        "apikey_hint": "neve...-key",
        "config": {"secret": "never-show-this-config"},
        "settings": {"default_headers": {"x-api-key": "never-show-this-setting"}},
    }
    return Environment(
        id=environment_id,
        name=name,
        provider=provider,
        default_model=models[0],
        enabled_models=enabled,
        sample_models=models,
        details=details,
        **more,
    )


ENVIRONMENTS: Sequence[Environment] = (
    _environment(
        "66b2f0c2e4b0a1b2c3d4e001",
        "OpenAI production",
        "openai",
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4.1",),
        failures=(("rate_limit_exceeded", "Rate limit reached for requests per minute."),),
        prices=(2.5, 10.0),
    ),
    _environment(
        "66b2f0c2e4b0a1b2c3d4e002",
        "Bedrock EU",
        "bedrock",
        ("claude-3-5-sonnet", "claude-3-haiku"),
        failures=(
            ("throttling", "Too many tokens, please wait before trying again."),
            ("timeout", "The model timed out after 60 s."),
        ),
    ),
    _environment(
        "66b2f0c2e4b0a1b2c3d4e003",
        "Vertex AI",
        "vertexai",
        ("gemini-1.5-pro",),
        failures=(("safety", "The response was blocked by a safety filter."),),
        prices=(1.25, 5.0),
    ),
    # Two environments share a name, as happens in practice: the name alone is ambiguous.
    _environment(
        "66b2f0c2e4b0a1b2c3d4e004",
        "Staging",
        "openai",
        ("gpt-4o-mini",),
        failures=(("invalid_api_key", "Incorrect API key provided."),),
    ),
    _environment("66b2f0c2e4b0a1b2c3d4e005", "Staging", "mistralai", ("mistral-large",)),
    _environment(
        "66b2f0c2e4b0a1b2c3d4e006",
        "Archive",
        "openai_compatible",
        ("retired-model",),
        allowed_projects=("66a1f0c2e4b0a1b2c3d4bee9",),
    ),
)
