"""Users and permissions of the bus as nats-server reads them, made from `cli.nats.MAY_SAY`.

Passwords are variables, so that the file can be read by anybody.
"""

import json

from cli import nats, secrets
from cli.deployment.pods import Object, from_secret
from cli.streams import STREAMS

ACCOUNT = "DARKROOM"
"""Everything that is said is said in it; the server's own affairs stay in SYS."""

_MOST_COPIES = 3
_HEAD = """\
# Made by `./just k8s` from cli/nats.py; a change there and not here fails `./just k8s-check`.
# Who may say what on the bus. Passwords are variables: NATS_PASSWORD_ and the user in capitals.
"""


def users_file() -> str:
    """Return the text of deploy/nats/users.conf."""
    kept = sum(stream.max_bytes or 0 for stream in STREAMS)
    stored = f"max_file: {2 * _MOST_COPIES * kept}, max_mem: 0"
    users = "\n".join(f"      {_user(user)}" for user in secrets.users())
    return f"""{_HEAD}
accounts {{
  {ACCOUNT} {{
    # twice what the streams may hold, in every copy
    jetstream {{ {stored}, max_streams: 8, max_consumers: 64 }}
    limits {{ max_connections: 2000, max_subscriptions: 200000, max_payload: 1MB }}
    users: [
{users}
    ]
  }}
  SYS {{ }}
}}
system_account: SYS
"""


def _user(user: str) -> str:
    told = f'{{ user: "{user}", password: ${secrets.variable(user)}'
    if user == nats.OPERATOR:
        return f"{told} }}"
    return f"{told}, permissions: {json.dumps(nats.permissions(user))} }}"


def passwords() -> Object:
    """Return the patch that gives nats-server the passwords that its file of users names."""
    variables = [
        from_secret(secrets.variable(user), secrets.NATS_USERS, user) for user in secrets.users()
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "nats"},
        "spec": {"template": {"spec": {"containers": [{"name": "nats", "env": variables}]}}},
    }
