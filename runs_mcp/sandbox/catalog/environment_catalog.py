"""The environments of a sandbox: connections to the providers of models."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runs_mcp.sandbox.access import ACCOUNT, PROJECT
from runs_mcp.sandbox.catalog.interaction import CREATED, OWNER

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A connection to a provider of models."""

    id: str
    name: str
    provider: str
    default_model: str | None = None
    enabled_models: Sequence[Document] = ()
    """The models that runs may use."""
    allowed_projects: Sequence[str] = ()
    """The only projects that may use the environment; empty: all."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Its `description`, `endpoint_url`, `apiKey`, `apikey_hint`, `config` and `settings`, if it has them."""
    sample_models: Sequence[str] = ()
    """The models of the sample runs."""
    failures: Sequence[tuple[str, str]] = (("unavailable", "The model is overloaded."),)
    """Errors of its models in the sample runs: code and message."""
    prices: tuple[float, float] | None = None
    """US dollars per million prompt and result tokens, where the provider reports its charges."""
    author: str = OWNER
    created_at: str = CREATED
    updated_at: str = CREATED

    @property
    def reference(self) -> Document:
        """The environment as runs of the strict contract contain it."""
        return {
            "id": self.id,
            "name": self.name,
            "provider": self.provider,
            **({"default_model": self.default_model} if self.default_model else {}),
            "account": ACCOUNT["id"],
            "created_by": self.author,
            "updated_by": self.author,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }

    @property
    def whole(self) -> Document:
        """The environment as `GET /environments` returns it."""
        return {
            **self.reference,
            **self.details,
            "enabled_models": list(self.enabled_models),
            **({"allowed_projects": list(self.allowed_projects)} if self.allowed_projects else {}),
        }

    @property
    def usable_models(self) -> list[str]:
        """The ids of the models that runs may use, the default first."""
        enabled = [model["id"] for model in self.enabled_models]
        if self.default_model is None or (enabled and self.default_model not in enabled):
            return enabled
        return [self.default_model, *(model for model in enabled if model != self.default_model)]

    @property
    def usable(self) -> bool:
        """True if the project of the sandbox may use the environment."""
        return not self.allowed_projects or PROJECT["id"] in self.allowed_projects


class EnvironmentCatalog:
    """The environments of a sandbox, and the models that providers offer."""

    def __init__(self, environments: Iterable[Environment], models: Mapping[str, Sequence[Document]]) -> None:
        """Hold `environments`; `models` are the models that each provider offers, enabled or not."""
        self._by_id = {environment.id: environment for environment in environments}
        self._models = models

    @property
    def every(self) -> list[Environment]:
        """All environments of the account, in the order in which they were added."""
        return list(self._by_id.values())

    def find(self, environment_id: Any) -> Environment | None:
        """Return the environment with this id; None if it is unknown."""
        return self._by_id.get(environment_id) if isinstance(environment_id, str) else None

    def available_models(self, environment: Environment) -> list[Document]:
        """Return the enabled models of an environment, and the others that its provider offers."""
        enabled = {model["id"] for model in environment.enabled_models}
        offered = [model for model in self._models.get(environment.provider, ()) if model["id"] not in enabled]
        return [*environment.enabled_models, *({**model, "environment": environment.id} for model in offered)]

    def put(self, environment: Environment) -> Environment:
        """Add an environment, or replace the environment with the same id; return it."""
        self._by_id[environment.id] = environment
        return environment

    def remove(self, environment_id: str) -> None:
        """Remove an environment."""
        del self._by_id[environment_id]
