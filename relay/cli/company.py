"""`relay company`: what concerns one company. Each command stands in a file of its own."""

import typer

from relay.cli import (
    company_check,
    company_consent,
    company_dead,
    company_discover,
    company_reports,
    company_status,
    company_test,
    company_verify,
)

company = typer.Typer(help="Look after one company.", no_args_is_help=True)
company.command("check")(company_check.check)
company.command("discover")(company_discover.discover)
company.command("test")(company_test.try_out)
company.command("consent")(company_consent.consent)
company.command("dead-addresses")(company_dead.dead_addresses)
company.command("status")(company_status.status)
company.command("reports")(company_reports.reports)
company.command("verify")(company_verify.verify)
