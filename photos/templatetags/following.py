"""What is new to a user, for the menu."""

from __future__ import annotations

from django import template
from django.contrib.auth.models import AbstractBaseUser

from photos.services.following import count_news

register = template.Library()


@register.simple_tag
def new_photos(user: AbstractBaseUser) -> int:
    return count_news(user) if user.is_authenticated else 0
