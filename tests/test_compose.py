"""docker-compose.yml names only commands and settings that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from django.core.management import get_commands

from tests.test_settings_table import settings_in_code

ROOT = Path(__file__).resolve().parent.parent


def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_every_command_of_ours_exists():
    commands = [service["command"] for service in compose()["services"].values() if "command" in service]
    ours = {command[2] for command in commands if command[:2] == ["python", "manage.py"]}
    assert ours >= {"prepare", "work"}
    assert ours <= set(get_commands())


def test_every_variable_passed_is_a_setting():
    passed = set(compose()["x-app"]["environment"])
    assert passed <= settings_in_code()


def test_every_setting_reaches_the_containers_but_those_that_the_image_decides():
    environment = compose()["x-app"]["environment"]
    decided = {"DATA_DIR", "MEDIA_ROOT", "STATIC_ROOT", "DEBUG"}
    of_up = {"HOST", "PORT", "MODELS_AUTO"}  # `manage.py up` reads them, and no container runs that
    assert settings_in_code() - set(environment) == decided | of_up
    for name in {"MODEL_MIRROR", "VISION_ENGINE", "SAM_MODEL_TYPE", "OPEN_CLIP_MODELS", "OWLV2_PROMPTS"}:
        assert environment[name] == f"${{{name}:-}}"
    for name in ("web", "migrate", "worker-interactive", "worker-index"):
        assert compose()["services"][name]["environment"] == environment


def test_env_example_gives_every_variable_that_compose_asks_for():
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    given = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert required == {"SECRET_KEY", "POSTGRES_PASSWORD"}
    assert required <= given
