"""`tierwright serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, say, unwritable
from tierwright.app.settings import load_settings
from tierwright.app.wiring import open_parts
from tierwright.core.errors import TierwrightError


def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write the address into this file as soon as requests are taken.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the gateway until it is stopped."""
    import json  # noqa: PLC0415 - `--help` must not wait
    import logging  # noqa: PLC0415 - as above
    import os  # noqa: PLC0415 - as above
    import sys  # noqa: PLC0415 - as above
    from contextlib import closing  # noqa: PLC0415 - as above

    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - as above

    from tierwright.app.logs import configure_logs  # noqa: PLC0415 - as above
    from tierwright.app.reloading import Reloading  # noqa: PLC0415 - as above
    from tierwright.app.service import Service  # noqa: PLC0415 - as above
    from tierwright.app.watching import watch  # noqa: PLC0415 - as above
    from tierwright.gateway.admin import AdminApp, OneProcess  # noqa: PLC0415 - as above
    from tierwright.gateway.serving import Beside  # noqa: PLC0415 - as above
    from tierwright.gateway.serving import serve as run  # noqa: PLC0415 - as above

    def announce(address: str) -> None:
        if as_json:
            sys.stdout.write(json.dumps({"address": address}) + "\n")
            sys.stdout.flush()
        if in_json:
            log.info("listening on %s/v1", address)
        else:
            say(f"listening on {address}/v1")
        if ready_file is not None:
            part = ready_file.with_name(f"{ready_file.name}.part")
            try:
                part.write_text(address, encoding="utf-8")
                part.replace(ready_file)
            except OSError as error:
                raise unwritable(ready_file, error, then="the gateway was not started") from error

    settings = load_settings(config, os.environ)
    settings.require_keys()
    configure_logs(settings.file.log)
    log, in_json = logging.getLogger(__name__), settings.file.log.format == "json"
    try:
        if settings.workers > 1:
            from tierwright.app.supervisor import Supervisor  # noqa: PLC0415 - as above

            with open_parts(settings) as parts:
                Supervisor(settings, environment=os.environ, announce=announce, watching=watch(parts)).run()
            return
        # One small prediction at a time: more threads would only take the cores from the requests.
        with open_parts(settings) as parts, threadpool_limits(limits=1), closing(Service(parts)) as service:
            reloading, watching = Reloading(service, os.environ), watch(parts)
            if watching is not None:
                service.app.watched_by(watching.state)
            run(
                service.app,
                settings.server,
                announce=announce,
                beside=Beside(
                    admin=(AdminApp(OneProcess(service.app)), settings.admin),
                    task=None if watching is None else watching.run,
                    hangup=reloading.begin,
                ),
            )
    except TierwrightError as error:
        if not in_json:
            raise
        log.critical("%s", error)
        raise typer.Exit(error.exit_code) from error
