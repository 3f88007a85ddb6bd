"""Settings, from environment variables only; the README's table documents each of them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import dj_database_url
from csp.constants import NONE, SELF

from geolocator.embedded.paths import redis_socket, socket_dir
from geolocator.embedded.secrets import secret_key
from geolocator.environment import read_bool, read_float, read_int, read_list, read_optional, read_text

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(read_text("DATA_DIR", "data")).expanduser().absolute()
MEDIA_ROOT = Path(read_text("MEDIA_ROOT", str(DATA_DIR / "media"))).absolute()

DEBUG = read_bool("DEBUG", False)
SECRET_KEY = read_text("SECRET_KEY") or secret_key(DATA_DIR)
ALLOWED_HOSTS = read_list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = read_list("CSRF_TRUSTED_ORIGINS", [])
HTTPS = read_bool("HTTPS", False)
TRUSTED_PROXIES = read_int("TRUSTED_PROXIES", 0)  # else anyone could name their own address

# --- what a picture may be, and how many may come -------------------------------------------------------
MAX_UPLOAD_MIB = read_int("MAX_UPLOAD_MIB", 16, minimum=1, maximum=256)
SEARCH_REQUEST_HOURS = read_int("SEARCH_REQUEST_HOURS", 24, minimum=1)
VERIFY_LIMIT_S = read_float("VERIFY_LIMIT_S", 2.0)
LOCATE_RATE = read_text("LOCATE_RATE", "60/min")
TRASH_DAYS = read_int("TRASH_DAYS", 30, minimum=0)
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200

# --- vision ---------------------------------------------------------------------------------------------
DEFAULT_SPACE = read_text("DEFAULT_SPACE", "classical-512")
MODEL_DIR = Path(read_text("MODEL_DIR", str(DATA_DIR / "models"))).absolute()
MODEL_MIRROR = read_text("MODEL_MIRROR")
MODELS_AUTO = read_bool("MODELS_AUTO", True)
VISION_ENGINE = read_text("VISION_ENGINE", "auto")
SAM_MODEL_TYPE = read_text("SAM_MODEL_TYPE", "vit_b")
POINTS_PER_SIDE = read_int("POINTS_PER_SIDE", 0, maximum=64)
PRED_IOU_THRESH = read_float("PRED_IOU_THRESH", 0.88, maximum=1)
STABILITY_SCORE_THRESH = read_float("STABILITY_SCORE_THRESH", 0.95, maximum=1)
MAX_SEGMENTS_PER_IMAGE = read_int("MAX_SEGMENTS_PER_IMAGE", 10, minimum=1, maximum=100)
MIN_SEGMENT_SIZE = read_float("MIN_SEGMENT_SIZE", 0.01, maximum=1)
EXTRACT_GLOBAL_FEATURES = read_bool("EXTRACT_GLOBAL_FEATURES", True)
OPEN_CLIP_MODELS = tuple(read_list("OPEN_CLIP_MODELS", []))
DINOV2_LORA_WEIGHTS = read_text("DINOV2_LORA_WEIGHTS")
DINOV2_LORA_RANK = read_int("DINOV2_LORA_RANK", 0, maximum=1024)
DINOV2_LORA_ALPHA = read_float("DINOV2_LORA_ALPHA", 0, maximum=65536)
LINEAR_ADAPTATIONS = tuple(read_list("LINEAR_ADAPTATIONS", []))
OWLV2_PROMPTS = tuple(read_list("OWLV2_PROMPTS", []))
OWLV2_THRESH = read_float("OWLV2_THRESH", 0.2, maximum=1)
OWLV2_NMS_THRESH = read_float("OWLV2_NMS_THRESH", 0.4, maximum=1)

# --- indexing: PostgreSQL is the truth, Redis a doorbell ------------------------------------------------
INDEX_LEASE_S = read_int("INDEX_LEASE_S", 60, minimum=2)
INDEX_ATTEMPTS = read_int("INDEX_ATTEMPTS", 3, minimum=1)
RECONCILE_EVERY_S = read_int("RECONCILE_EVERY_S", 10, minimum=1)

INSTALLED_APPS = [
    "geolocator",
    "search",
    "photos",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "django_rq",
    "csp",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
]

MIDDLEWARE = [
    "geolocator.middleware.refuse_unreadable",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "geolocator.urls"
WSGI_APPLICATION = "geolocator.wsgi.application"
ASGI_APPLICATION = "geolocator.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "geolocator.context.site",
            ],
        },
    },
]

# --- database -------------------------------------------------------------------------------------------
# Unprepared statements are planned for their parameters: a generic plan would lose the expression indexes. Scans go on
# past ef_search to a larger LIMIT; 24 finds what 200 does at the top of 100,000 photos in a third of the time.
# They go on past pgvector's 20,000 tuples, or many photos near a question that do not pass would leave no answer.
POSTGRES_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "plan_cache_mode": "auto",
        "hnsw.ef_search": 24,
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.max_scan_tuples": 200_000,
        "hnsw.scan_mem_multiplier": 8,
        "jit": "off",
    }.items()
)
DATABASE_POOL_SIZE = read_int("DATABASE_POOL_SIZE", 8)


def embedded_database_url() -> str:
    return f"postgres://geolocator@{quote(str(socket_dir(DATA_DIR)), safe='')}/geolocator"


def database() -> dict[str, Any]:
    config: dict[str, Any] = dict(dj_database_url.parse(read_text("DATABASE_URL") or embedded_database_url()))
    options: dict[str, Any] = {"options": POSTGRES_OPTIONS, "connect_timeout": 2}
    if DATABASE_POOL_SIZE:
        options["prepare_threshold"] = 2**31  # what asks for it is prepared, and nothing because it is frequent
        # a new attempt for each question: the pool's own growing pauses would outlast an outage
        options["pool"] = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 2, "reconnect_timeout": 3}
    config["OPTIONS"] = {**config.get("OPTIONS", {}), **options}
    config["CONN_HEALTH_CHECKS"] = True
    return config


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- queues ---------------------------------------------------------------------------------------------
REDIS_URL = read_text("REDIS_URL") or f"unix://{redis_socket(DATA_DIR)}?db=0"
RQ_QUEUES = {
    name: {
        "URL": REDIS_URL,
        "DEFAULT_TIMEOUT": 600,
        "SERIALIZER": "rq.serializers.JSONSerializer",
        "REDIS_CLIENT_KWARGS": {"socket_timeout": 15, "socket_connect_timeout": 2},
    }
    for name in ("interactive", "index")
}
# counts visitors' questions; geolocator.throttles goes on without it while Redis is away
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}
RQ = {"COMMIT_MODE": "auto"}  # only our own, visible on_commit defers
RQ_SHOW_ADMIN_LINK = True

# --- files ----------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = Path(read_text("STATIC_ROOT", str(DATA_DIR / "static"))).absolute()
# django-leaflet gives us Leaflet's files only: as an installed app its admin module would need GDAL
LEAFLET_STATIC = Path(str(getattr(find_spec("leaflet"), "origin", ""))).parent / "static"
STATICFILES_DIRS = [BASE_DIR / "static", LEAFLET_STATIC]
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {
        "BACKEND": "photos.files.DurableFileStorage",
        "OPTIONS": {"location": MEDIA_ROOT, "file_permissions_mode": 0o640},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# --- people ---------------------------------------------------------------------------------------------
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

# --- security -------------------------------------------------------------------------------------------
TILE_URL = read_optional("TILE_URL", "https://tile.openstreetmap.org/{z}/{x}/{y}.png")
TILE_ATTRIBUTION = read_text(
    "TILE_ATTRIBUTION",
    '© <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> contributors',
)


def tile_origins() -> list[str]:
    parts = urlsplit(TILE_URL.replace("{s}", "*"))
    return [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []


CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:", *tile_origins()],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"  # OpenStreetMap refuses tiles without a referrer
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None

# --- API ------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "geolocator.parsers.StrictJSONParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["geolocator.throttles.VisitorThrottle"],
    "NUM_PROXIES": TRUSTED_PROXIES,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "geolocator.problems.problem_response",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Geolocator",
    "DESCRIPTION": "Where was this photo taken? Answers from a collection of placed photos.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "PhotoState": "photos.models.PhotoState",
        "RequestState": "search.models.RequestState",
    },
}

# --- words, times, logs ---------------------------------------------------------------------------------
LANGUAGE_CODE = read_text("LANGUAGE_CODE", "en")
LANGUAGES = [("en", "English"), ("tr", "Türkçe")]
LOCALE_PATHS = [BASE_DIR / "geolocator" / "locale"]
TIME_ZONE = read_text("TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True

LOG_LEVEL = read_text("LOG_LEVEL", "INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        **{name: {"level": LOG_LEVEL} for name in ("geolocator", "photos", "search")},
        "django.request": {"level": "ERROR"},  # a visitor's wrong address is no news
    },
}
