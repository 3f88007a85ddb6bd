"""Every language that is offered is complete, and its compiled file is the one of its text."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

LANGUAGES = [code for code, _name in settings.LANGUAGES if code != "en"]
PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sd]|%%|%[sd]|\{[a-z]*\}")
TOP = Path(settings.BASE_DIR)


def catalogue(language):
    folder = Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES"
    return polib.pofile(str(folder / "django.po")), folder / "django.mo"


def forms(entry):
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language):
    entries, _compiled = catalogue(language)
    assert len(entries) > 300
    assert [entry.msgid for entry in entries if not entry.translated() or entry.fuzzy or entry.obsolete] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_filled_in_is_the_same(language):
    entries, _compiled = catalogue(language)
    for entry in entries:
        expected = sorted(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid))
        assert sorted(PLACEHOLDER.findall(forms(entry)[-1])) == expected, entry.msgid


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_is_the_one_of_the_text(language):
    entries, compiled = catalogue(language)
    expected = {entry.msgid: forms(entry) for entry in entries}
    assert {entry.msgid: forms(entry) for entry in polib.mofile(str(compiled))} == expected


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="gettext is not installed")
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_of_the_code_is_missing(language, tmp_path):
    """Collect the texts anew beside the project and look each of them up."""
    copy = tmp_path / "project"
    for name in ("geolocator", "photos", "search", "templates"):
        shutil.copytree(TOP / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    known = {entry.msgid for entry in catalogue(language)[0]}
    command = [sys.executable, "-m", "django", "makemessages", "--locale", language, "--no-location", "--no-obsolete"]
    subprocess.run(command, cwd=copy, check=True, capture_output=True, env=environment(copy))
    found = polib.pofile(str(copy / "geolocator" / "locale" / language / "LC_MESSAGES" / "django.po"))
    assert {entry.msgid for entry in found} - known == set()


def environment(copy):
    return os.environ | {"PYTHONPATH": str(copy), "DJANGO_SETTINGS_MODULE": "geolocator.settings", "SECRET_KEY": "x"}


@pytest.mark.django_db
def test_a_visitor_can_read_the_site_in_each_language():
    client = Client()
    for language in LANGUAGES:
        client.post("/i18n/setlang/", {"language": language, "next": "/about/"})
        page = client.get("/about/").content.decode()
        with translation.override(language):
            assert f'lang="{language}"' in page
            assert translation.gettext("What it cannot do") in page
            assert translation.gettext("What it cannot do") != "What it cannot do"
