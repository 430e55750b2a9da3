"""`tierwright serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, say, unwritable


def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write the address into this file as soon as requests are taken.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the gateway until it is stopped."""
    import json  # noqa: PLC0415 - `--help` must not wait
    import sys  # noqa: PLC0415 - as above

    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - as above

    from tierwright.app.wiring import build_server  # noqa: PLC0415 - as above
    from tierwright.gateway.admin import AdminApp  # noqa: PLC0415 - as above
    from tierwright.gateway.serving import serve as run  # noqa: PLC0415 - as above

    def announce(address: str) -> None:
        if as_json:
            sys.stdout.write(json.dumps({"address": address}) + "\n")
            sys.stdout.flush()
        say(f"listening on {address}/v1")
        if ready_file is not None:
            part = ready_file.with_name(f"{ready_file.name}.part")
            try:
                part.write_text(address, encoding="utf-8")
                part.replace(ready_file)
            except OSError as error:
                raise unwritable(ready_file, error, then="the gateway was not started") from error

    # One small prediction at a time: more threads would only take the cores from the requests.
    with opened(config) as parts, threadpool_limits(limits=1):
        app = build_server(parts)
        admin = (AdminApp(app, app.metrics), parts.settings.admin)
        run(app, parts.settings.server, announce=announce, admin=admin)
