"""The environment, model and inference profile that execute a run."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import MISSING

from runs_mcp.sandbox.catalog.environment_catalog import Environment
from runs_mcp.sandbox.catalog.interaction import Interaction
from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.content.inference_profiles import InferenceProfile, find_profile
from runs_mcp.sandbox.wire.refusal import bad_request

Source = Literal["config", "interaction", "environmentDefault"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """The environment and model that execute a run."""

    environment: Environment
    model: str
    source: Source
    """The origin of the model."""


def choose_runtime(
    catalog: SandboxCatalog,
    interaction: Interaction | None,
    environment_id: Any = MISSING,
    model: Any = MISSING,
    profile: InferenceProfile | None = None,
) -> Runtime:
    """Return what a request names, else what its profile names, else the interaction, else the defaults.

    Raises:
        Refusal: the environment or model does not exist.
    """
    if environment_id is MISSING and profile:
        environment_id, model = profile.environment, profile.model if model is MISSING else model
    source: Source = "environmentDefault" if model is MISSING else "config"
    if environment_id is MISSING and interaction and interaction.environment:
        environment_id = interaction.environment
    environment = _environment(catalog, environment_id)
    if model is MISSING and interaction and interaction.model and interaction.environment == environment.id:
        model, source = interaction.model, "interaction"
    models = environment.usable_models
    chosen = next(iter(models), "") if model is MISSING else str(model)
    if chosen not in models:
        raise bad_request(f"{environment.name} has no model {chosen}: {', '.join(models)}.")
    return Runtime(environment, chosen, source)


def choose_profile(
    catalog: SandboxCatalog, interaction: Interaction, named: Any, *, overridden: bool
) -> tuple[InferenceProfile | None, str]:
    """Return the profile that a request names, else that of its interaction, and the origin of that choice.

    A null in the request selects no profile; `overridden` means that the request names an environment or a model,
    which replace the profile of the interaction.

    Raises:
        Refusal: the profile does not exist.
    """
    if named is None or (named is MISSING and overridden):
        return None, ""
    if named is not MISSING:
        return known_profile(named), "request"
    saved = catalog.configurations.get(interaction.id, {}).get("inference_profile")
    saved = saved or interaction.settings.get("inference_profile")
    return (known_profile(saved), "interaction") if saved else (None, "")


def known_profile(profile_id: str) -> InferenceProfile:
    """Return the inference profile with this id.

    Raises:
        Refusal: the profile does not exist.
    """
    if profile := find_profile(profile_id):
        return profile
    raise bad_request(f"Inference profile not found: {profile_id}")


def _environment(catalog: SandboxCatalog, environment_id: Any) -> Environment:
    usable = [environment for environment in catalog.environments.every if environment.usable]
    named = [environment for environment in usable if environment_id in (MISSING, environment.id)]
    if not named:
        raise bad_request(f"Environment not found: {environment_id}")
    return named[0]
