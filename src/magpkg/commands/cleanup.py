"""`magpkg cleanup`."""

import math
import os

import click

from magpkg.commands import options
from magpkg.commands.terminal import say, size, tell, tell_json
from magpkg.store.cleanup import FETCHED, PACKAGE, VENV, Report, clean


@click.command()
@click.option("--venvs", is_flag=True, help="Remove venvs.")
@click.option("--packages", is_flag=True, help="Remove package trees that no remaining venv consists of.")
@click.option("--fetched", is_flag=True, help="Remove downloads.")
@click.option("--all", "everything", is_flag=True, help="Remove venvs, package trees and downloads.")
@click.option(
    "--max-age-days",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Keep what was used in the last so many days.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@options.json_option
@options.quiet_option
@options.debug_option
def cleanup(
    venvs: bool,
    packages: bool,
    fetched: bool,
    everything: bool,
    max_age_days: float,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Remove what nobody has used for a while; fit for cron.

    What somebody uses now stays.

    Leftovers of killed runs are always swept. Nothing that runs or is being made is touched or waited for.
    """
    wanted = {VENV: venvs, PACKAGE: packages, FETCHED: fetched}
    kinds = [kind for kind, chosen in wanted.items() if chosen or everything]
    if not math.isfinite(max_age_days):
        raise click.BadParameter("must be a number of days", param_hint="--max-age-days")
    if not kinds:
        raise click.UsageError("say what to remove: --venvs, --packages, --fetched or --all")
    report = clean(options.own_store(os.environ), kinds, max_age_days, dry_run=dry_run)
    if as_json:
        tell_json(_envelope(report, dry_run))
    elif not quiet:
        _print(report, dry_run)
    for failure in report.failures:
        say(f"error: {failure}")
    return 1 if report.failures else 0


def _envelope(report: Report, dry_run: bool) -> dict[str, object]:
    removed = [
        {
            "kind": removal.kind,
            "name": removal.name,
            "idleDays": round(removal.idle_seconds / 86400, 3),
            "freedBytes": removal.freed_bytes,
        }
        for removal in report.removed
    ]
    return {
        "dryRun": dry_run,
        "removed": removed,
        "freedBytes": report.freed_bytes,
        "busy": list(report.busy),
        "failures": list(report.failures),
    }


def _print(report: Report, dry_run: bool) -> None:
    verb, freed = ("would remove", "would free") if dry_run else ("removed", "freed")
    for removal in report.removed:
        idle = f"idle for {removal.idle_seconds / 86400:.1f} days"
        tell(f"{verb} {removal.kind} {removal.name}, {idle}, {size(removal.freed_bytes)}")
    for name in report.busy:
        tell(f"kept {name}: in use")
    tell(f"{verb} {len(report.removed)}, {freed} {size(report.freed_bytes)} ({report.freed_bytes} bytes)")
