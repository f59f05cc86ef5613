"""When a crontab is due."""

from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim

TICK = timedelta(microseconds=1)


def last_due(crontab: str, zone: tzinfo, since: datetime, now: datetime) -> datetime | None:
    """The newest time of the crontab after `since`, up to `now`, in UTC; None if there is none.

    Of several that were missed one is made up for. Where clocks are put forward, what would fall into the gap is due
    right after it; where they are put back, what falls into the hour that comes twice is due once.
    """
    newest: datetime = next(CronSim(crontab, now.astimezone(zone) + TICK, reverse=True)).astimezone(UTC)
    return newest if newest > since else None
