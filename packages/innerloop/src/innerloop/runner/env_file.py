"""Gives the variables of the workspace's `.env` to a request, as F5 gives them to its program.

A variable of the job or of a backend wins, as one of a launch configuration does. A secret is in no
command line, dry run or record.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..model import env_file
from ..model.env_file import NAME, EnvFile
from ..model.run import Request
from ..util import files
from ..util.late_patterns import late_pattern

# With them the engine's client would be another program, or talk to another engine.
_OF_THE_CLIENT = late_pattern(
    r"DOCKER_(?:HOST|CONTEXT|CONFIG|CERT_PATH|TLS\w*|CLI_\w+|BUILDKIT)|BASH_(?:ENV|FUNC\w*)|ENV|IFS"
    r"|CONTAINERS?_(?:HOST|CONF\w*|CONNECTION|SSHKEY)|(?:LD|DYLD|SSH|XDG)_\w+|GODEBUG"
)


def read(root: Path, environ: Mapping[str, str] = os.environ) -> EnvFile:
    """The file; without variables if there is none. UserError if it cannot be read."""
    path = root / NAME
    if not path.is_file():  # a folder of this name is an environment
        return EnvFile()
    return env_file.parse(files.read_text(path) or "", environ)


def given(request: Request, file: EnvFile) -> Request:
    """The request with the variables that it does not have itself."""
    values = {name: text for name, text in file.variables.items() if name not in request.env}
    notes = [f"{NAME}:{line}: not a variable, left out" for line in file.unread]
    secret = {name: text for name, text in values.items() if env_file.is_secret(name, text)}
    if request.container is not None:
        # A secret reaches the container through the client's own variables.
        left_out = {name for name in values if not env_file.for_container(name)}
        left_out |= {name for name in secret if _OF_THE_CLIENT.fullmatch(name)}
        values = {name: text for name, text in values.items() if name not in left_out}
        secret = {name: text for name, text in secret.items() if name not in left_out}
    if not values:
        return request.with_notes(*notes)
    plain = {name: text for name, text in values.items() if name not in secret}
    changed = request.with_env(plain) if plain else request
    changed = replace(changed, secrets={**secret, **changed.secrets})
    if changed.container is not None and secret:
        container = changed.container.with_client_env(*secret)
        changed = replace(changed, container=container)
    return changed.with_notes(f"{NAME} sets {', '.join(sorted(values))}", *notes)
