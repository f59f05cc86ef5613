"""The HTTP view of one worker."""

from aiohttp import web

from sitehub.web.health import HealthView
from sitehub.web.problem import problems
from sitehub.web.sites import SiteView


def web_application(base_path: str, sites: SiteView, health: HealthView) -> web.Application:
    """All routes: health, readiness and metrics at the root and under `base_path`, sites under `base_path`."""
    application = web.Application(middlewares=[problems])
    base = base_path.rstrip("/")
    for prefix in ("", base):
        application.router.add_get(f"{prefix}/health", health.health)
        application.router.add_get(f"{prefix}/ready", health.ready)
        application.router.add_get(f"{prefix}/metrics", health.metrics)
    application.router.add_get(f"{base}/sites/{{siteId:[^/]*}}", sites.get)
    return application
