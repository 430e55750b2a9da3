"""What nginx is told: to be a model server that answers at once, or a plain proxy in front of one."""

from __future__ import annotations

from rig.wire import ANSWER

_AROUND = """\
daemon off;
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_buffer_size 64k;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{http}
}}
"""
_STATIC = """\
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        default_type application/json;
        location / {{ return 200 '{answer}'; }}
    }}"""
_PROXY = """\
    upstream model_server {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{
            proxy_pass http://model_server;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}"""


def static_server(port: int) -> str:
    """The settings of a model server that always gives the same completion."""
    return _AROUND.format(http=_STATIC.format(port=port, answer=ANSWER))


def proxy(port: int, upstream: int) -> str:
    """The settings of a reverse proxy that keeps its connections."""
    return _AROUND.format(http=_PROXY.format(port=port, upstream=upstream))
