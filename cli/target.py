"""`sitehub target`: the systems that are called."""

import asyncio
import time

import click
import orjson

from sitehub.cli.give_up import give_up
from sitehub.clients.answer import Delivered, Refused, Unavailable
from sitehub.clients.credentials import CredentialsError
from sitehub.clients.target import Target, TargetSettings
from sitehub.settings import load_settings
from sitehub.wiring import target_settings

NOT_FOUND = 404
Step = dict[str, str | int | bool | None]


@click.group(name="target")
def target() -> None:
    """The systems that are called."""


target.add_command(give_up)


@target.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(name: str, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Log in to target NAME, call its health path, and say what is wrong; exit code 1 if anything is."""
    settings = load_settings()
    known = sorted(settings.configuration.integrations)
    if name not in known:
        raise click.UsageError(f"the configuration has no {name}_integration; targets: {', '.join(known)}")
    found = target_settings(settings, name)
    if isinstance(found, str):
        steps: list[Step] = [{"step": "configuration", "ok": False, "error": found}]
    else:
        steps = asyncio.run(_steps(found, settings.configuration.integrations[name].health_path))
    is_well = all(step["ok"] for step in steps)
    if as_json:
        click.echo(orjson.dumps({"target": name, "ok": is_well, "steps": steps}, option=orjson.OPT_INDENT_2))
    else:
        for step in steps:
            click.echo(f"{'ok  ' if step['ok'] else 'FAIL'}  {step['step']}{_told(step)}")
    if not is_well:
        raise SystemExit(1)


def _told(step: Step) -> str:
    text = step["error"] or step.get("answer")
    return f": {text}" if text else ""


async def _steps(settings: TargetSettings, health_path: str) -> list[Step]:
    """What was tried, until something failed."""
    async with Target(settings) as opened:
        try:
            await settings.credentials.prove(b"", time.time())
        except CredentialsError as error:
            return [{"step": "log in", "ok": False, "error": str(error)}]
        step: Step = {"step": f"GET {settings.api_endpoint}{health_path}", "ok": False, "error": None}
        match await opened.request("GET", health_path, {}, b""):
            case Delivered(status):
                step |= {"ok": True, "status": status}
            case Refused(status, answer) if status == NOT_FOUND:
                step |= {"status": status, "answer": answer, "error": "HTTP 404: set health_path to what it has"}
            case Refused(status, answer):
                step |= {"status": status, "answer": answer, "error": f"HTTP {status}"}
            case Unavailable() as failed:
                step |= {"status": failed.status, "answer": failed.answer, "error": failed.error}
        if step.get("status") in settings.statuses.renew_on:
            step["error"] = f"HTTP {step['status']}: it does not take the credentials"
        return [{"step": "log in", "ok": True, "error": None}, step]
