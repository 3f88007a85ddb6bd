"""A page whose visitor has signed in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page


def sign_in(page: Page, live_server: Any, *, name: str = "cleo", is_staff: bool = False) -> User:
    user = User.objects.create_user(name, is_staff=is_staff, is_superuser=is_staff)
    client = Client()
    client.force_login(user)
    host = str(urlsplit(live_server.url).hostname)
    key = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": key, "domain": host, "path": "/"}])
    return user
