"""Addresses of the collection's pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from photos.pages import clusters, collection_map, gallery, photo, pictures, places, selection

urlpatterns: list[URLPattern] = [
    path("photos/", gallery.gallery, name="gallery"),
    path("photos/photos.<slug:kind>", selection.download, name="photos-download"),
    path("photos/tags/", gallery.gallery_tags, name="gallery-tags"),
    path("photos/change/", selection.change_chosen, name="photos-change"),
    path("photos/undo/", selection.undo_change, name="photos-undo"),
    path("photos/<uuid:identity>/", photo.photo_page, name="photo"),
    path("photos/<uuid:identity>/<str:size>.jpg", pictures.photo_image, name="photo-image"),
    path("photos/<uuid:identity>/<slug:digest>/<slug:size>.<slug:kind>", pictures.photo_copy, name="photo-copy"),
    path("photos/<uuid:identity>/original", pictures.photo_original, name="photo-original"),
    path("places/", places.place_list, name="places"),
    path("places/<str:slug>/", places.place_page, name="place"),
    path("places/<str:slug>/follow/", places.follow_place, name="place-follow"),
    path("places/<str:slug>/unfollow/", places.unfollow_place, name="place-unfollow"),
    path("following/", places.following_page, name="following"),
    path("following/seen/", places.mark_seen, name="following-seen"),
    path("map/", collection_map.collection_map, name="collection-map"),
    path("map/clusters/", clusters.map_clusters, name="map-clusters"),
]
