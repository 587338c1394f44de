"""The pages of `billing-dq serve` and their addresses. GET and HEAD only: nothing here writes."""

import logging
import re
from collections.abc import Mapping
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from billing_dq.errors import SourceError
from billing_dq.report.evidence.reading import read_evidence
from billing_dq.report.figures import rows_of
from billing_dq.report.night import read_history, read_night
from billing_dq.report.page import content_policy, environment, page
from billing_dq.report.pictures import history_lines
from billing_dq.report.runbook import runbook_text, sections
from billing_dq.report.verdicts import GRADES
from billing_dq.report.week import read_week
from billing_dq.serving import organizations, pictures
from billing_dq.serving.accounts import read_account
from billing_dq.serving.lake import DAMAGE, ServedLake
from billing_dq.serving.metrics import newest_gauges, prometheus_text
from billing_dq.serving.nights import LISTED, night_lines, stored_nights
from billing_dq.serving.organization_list import Order, organization_rows
from billing_dq.serving.security import HOSTS, STYLED_POLICY, SecurityHeaders
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.tables import FINDINGS, METER_EXTRAS_DELTAS
from billing_dq.weeks import Week

#: The terminal of `billing-dq serve`.
_LOG = logging.getLogger("uvicorn.error")
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FINDING = re.compile(r"[0-9a-f]{16}", re.ASCII)
_ORGANIZATION = re.compile(r"[0-9a-f]{24}", re.ASCII)
#: Keys and entries of a week that its page shows.
_STEPS = 1_000


def application(settings: Settings) -> ASGIApp:
    """The pages of the stored nights of an installation."""
    pages = _Pages(settings)
    routes = [
        Route("/", pages.nights),
        Route("/nights/{night}", pages.night),
        Route("/data_page/{night}.html", pages.data_of_night),
        Route("/findings/{finding}", pages.finding),
        Route("/organizations", pages.organizations),
        Route("/organizations/{organization}", pages.organization),
        Route("/organizations/{organization}/weeks/{week}", pages.week),
        Route("/runbook", pages.runbook),
        Route("/metrics", pages.metrics),
        Route("/style.css", pages.style),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)],
        exception_handlers={
            **dict.fromkeys(DAMAGE, pages.damaged),
            HTTPException: pages.refused,
            SourceError: pages.unreadable,
            Exception: pages.failed,
        },
    )
    return SecurityHeaders(app)


class _Pages:
    """The handlers; each reads what it shows anew, so that a night taken meanwhile is there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._templates = environment("billing_dq.serving", "billing_dq.report")
        self._policy = content_policy()

    @property
    def _lake(self) -> Lake:
        return ServedLake(self._settings.home)

    def nights(self, request: Request) -> Response:
        before = request.query_params.get("before", "")
        nights = [night for night in stored_nights(self._lake) if not before or night < before]
        return self._shown(
            "nights",
            nights=night_lines(self._lake, nights[:LISTED]),
            history=self._history(nights[0]) if nights else "",
            older=len(nights) > LISTED,
            before=before,
            home=self._settings.home,
        )

    def _history(self, night: str) -> str:
        """The picture of the last nights; none where one of them is damaged, which its own line says."""
        try:
            return history_lines(read_history(self._lake, night))
        except DAMAGE:
            return ""

    def night(self, request: Request) -> Response:
        """The report of a night. One that another version wrote has a script that this version's policy refuses."""
        night = self._night(request.path_params["night"])
        stored = self._lake.report_path(night)
        text = stored.read_text(encoding="utf-8", errors="replace") if stored.exists() else ""
        if self._policy not in text:
            text = page(read_night(self._settings, night))
        nights = stored_nights(self._lake)
        place = nights.index(night)
        around = {"next": nights[place - 1] if place else None, "previous": (*nights, None)[place + 1], "night": night}
        beside = self._templates.get_template("nav.html.jinja").render(current="nights", **around)
        text = text.replace("<body>", f'<body data-served="yes">\n{beside}', 1)
        return HTMLResponse(text, headers={"Content-Security-Policy": f"{self._policy}; frame-ancestors 'none'"})

    def data_of_night(self, request: Request) -> Response:
        """The page about the data of a night, to which its report links."""
        night = self._night(request.path_params["night"])
        stored = self._lake.data_page_path(night)
        if not stored.exists():
            raise HTTPException(404, f"No page about the data of {night} is stored.")
        return HTMLResponse(stored.read_text(encoding="utf-8"), headers={"Content-Security-Policy": STYLED_POLICY})

    def finding(self, request: Request) -> Response:
        finding = str(request.path_params["finding"])
        if not _FINDING.fullmatch(finding):
            raise HTTPException(404, f"{finding} is no finding's id: 16 hexadecimal digits are needed.")
        night = request.query_params.get("night")
        evidence = read_evidence(self._settings, self._lake, finding, self._night(night) if night else None)
        return self._shown("finding", evidence=evidence)

    def organizations(self, request: Request) -> Response:
        text = request.query_params.get("q", "").strip()
        if _ORGANIZATION.fullmatch(text):
            return RedirectResponse(f"/organizations/{text}", status_code=303)
        found = organizations.search(self._lake, text)
        if len(found) == 1 and _ORGANIZATION.fullmatch(found[0]):
            return RedirectResponse(f"/organizations/{found[0]}", status_code=303)
        listing = organization_rows(self._lake)
        listing = listing[listing["organization_id"].isin(found)] if text else listing
        order = Order.of(request.query_params.get("sort", ""), request.query_params.get("page", ""))
        return self._shown(
            "organizations",
            text=text,
            rows=rows_of(order.page_of(listing), list(listing.columns)),
            count=len(listing),
            order=order,
            most=organizations.FOUND,
        )

    def organization(self, request: Request) -> Response:
        story = organizations.read_story(self._lake, self._organization(request))
        if not story.is_known:
            raise HTTPException(404, f"No stored night knows the organization {story.organization}.")
        return self._shown(
            "organization",
            story=story,
            weeks=rows_of(story.weeks, [*METER_EXTRAS_DELTAS.column_names, "night"]),
            findings=rows_of(story.newest_findings(), [*FINDINGS.column_names, "night"]),
            weeks_picture=pictures.weeks(story),
            findings_picture=pictures.findings(story),
            grades=GRADES,
            most_nights=organizations.NIGHTS,
            account=(account := read_account(self._lake, story.organization)),
            balance_picture=pictures.balance(account.entries),
        )

    def week(self, request: Request) -> Response:
        organization = self._organization(request)
        try:
            week = Week.parse(request.path_params["week"])
        except ValueError as error:
            raise HTTPException(404, str(error)) from None
        night = request.query_params.get("night")
        told = read_week(self._settings, organization, week, self._night(night) if night else None)
        return self._shown("organization_week", told=told, grades=GRADES, steps=_STEPS)

    def runbook(self, request: Request) -> Response:
        return self._shown("runbook", sections=list(sections(runbook_text())))

    def metrics(self, request: Request) -> Response:
        """The newest night for Prometheus."""
        text, media_type = prometheus_text(newest_gauges(self._lake))
        return Response(text, headers={"Content-Type": media_type})

    def style(self, request: Request) -> Response:
        texts = [
            (resources.files(package) / "assets" / name).read_text(encoding="utf-8")
            for package, name in (("billing_dq.report", "page.css"), ("billing_dq.serving", "serve.css"))
        ]
        return Response("\n".join(texts), media_type="text/css")

    def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self._problem(error.status_code, str(error.detail), error.headers)

    def unreadable(self, request: Request, error: Exception) -> Response:
        """What is not stored; the message says what is."""
        return self._problem(404, str(error))

    def damaged(self, request: Request, error: Exception) -> Response:
        """A stored file that is not what a run stores."""
        _LOG.error("%s", request.url.path, exc_info=error)
        reason = f"A stored night is damaged ({type(error).__name__}): `billing-dq doctor` says which file."
        return self._problem(404, reason)

    def failed(self, request: Request, error: Exception) -> Response:
        """What nobody foresaw; the server prints its traceback."""
        return self._problem(500, "This page could not be made; the terminal of `billing-dq serve` says why.")

    def _night(self, night: str) -> str:
        """A night of an address, which may name no other file."""
        if not _NIGHT.fullmatch(night) or night not in stored_nights(self._lake):
            raise HTTPException(404, f"No night {night} is stored.")
        return night

    def _organization(self, request: Request) -> str:
        organization = str(request.path_params["organization"])
        if not _ORGANIZATION.fullmatch(organization):
            raise HTTPException(404, f"{organization} is no organization's id: 24 hexadecimal digits are needed.")
        return organization

    def _problem(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
        title = {404: "Not found", 405: "Only for reading"}.get(status, "That did not work")
        return self._shown("problem", status, headers, title=title, message=message)

    def _shown(
        self, name: str, status: int = 200, headers: Mapping[str, str] | None = None, **content: object
    ) -> HTMLResponse:
        current = {"organization": "organizations", "organization_week": "organizations"}.get(name, name)
        text = self._templates.get_template(f"{name}.html.jinja").render(**{"current": current, **content})
        return HTMLResponse(text, status_code=status, headers=headers)
