"""Django's bases with their models named, which only the type checker can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib import admin

if TYPE_CHECKING:
    from photos.models import EmbeddingSpace, LocationProposal, NearDuplicate, Photo, Tag, TrashedPhoto

    PhotoModelAdmin = admin.ModelAdmin[Photo]
    TagModelAdmin = admin.ModelAdmin[Tag]
    SpaceModelAdmin = admin.ModelAdmin[EmbeddingSpace]
    ProposalModelAdmin = admin.ModelAdmin[LocationProposal]
    DuplicateModelAdmin = admin.ModelAdmin[NearDuplicate]
    TrashModelAdmin = admin.ModelAdmin[TrashedPhoto]
    PhotoModelForm = forms.ModelForm[Photo]
else:
    PhotoModelAdmin = TagModelAdmin = SpaceModelAdmin = ProposalModelAdmin = DuplicateModelAdmin = admin.ModelAdmin
    TrashModelAdmin = admin.ModelAdmin
    PhotoModelForm = forms.ModelForm
