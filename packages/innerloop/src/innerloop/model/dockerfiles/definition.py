"""A Dockerfile as a definition file of Apptainer: the same steps in the same order. Pure.

A definition file copies all files before it runs its one script, and replaces `{{ words }}` in its
text. So the files of each COPY come into a folder of their own, and the script, which is a file too,
puts them where they belong when their turn comes. ENV is evaluated when its turn comes, and written
where the image keeps variables.

Source: Apptainer's user guide, "Definition Files"; Dockerfile reference.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field

from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ..container import is_image_name
from . import shell_words
from .dockerfile import Dockerfile, Instruction, Stage, assignments, expanded, source_of
from .shell_text import quoted, shell_text
from .shell_words import WordError

# In the image while it is built: the scripts, the files, and what was moved out of their way.
FOLDER = "/.innerloop"
SCRIPT = "post.sh"

# What an image is labelled with, or how a container of it starts: a job's command replaces that.
_WITHOUT_EFFECT = frozenset(
    ("CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "STOPSIGNAL",
     "VOLUME")
)  # fmt: skip
_VARIABLE = late_pattern(r"[A-Za-z_]\w*", re.ASCII)
_URL = late_pattern(r"(?:https?|ftp|git|ssh)://|git@|.*\.git(?:#|$)")
# A definition file has paths in a line, with `"` around them, and replaces shell patterns.
_STAGE_PATH = late_pattern(r"/[\w./*?@%+=:,~ -]*", re.ASCII)
_HEREDOC = late_pattern(r"\d*<<-?[\"']?[\w.-]+[\"']?")


@dataclass(frozen=True, slots=True)
class ContextFiles:
    """What one step takes from the build's folder: sources with wildcards, or texts by their names.

    `unpacks`: an archive is unpacked, as ADD does.
    """

    number: int
    sources: tuple[str, ...]
    line: int
    unpacks: bool = False
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StageFiles:
    """What one step takes from another stage of the definition file."""

    number: int
    stage: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DefinitionStage:
    """One stage: an image of a registry and the script that changes it, "" for an image as it is."""

    name: str
    base: str
    script: str = ""
    context: tuple[ContextFiles, ...] = ()
    copied: tuple[StageFiles, ...] = ()

    def text(self) -> str:
        lines = ["Bootstrap: docker", f"From: {self.base}", f"Stage: {self.name}"]
        if self.script:
            lines += ["", "%files", f"    {self.name} {FOLDER}/build"]
        for one in self.copied:
            lines += ["", f"%files from {one.stage}"]
            for index, path in enumerate(one.paths):
                lines.append(f'    "{path}" "{FOLDER}/from/{one.number}/{index}/"')
        if self.script:
            lines += ["", "%post", f"    /bin/sh {FOLDER}/build/{SCRIPT}"]
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Definition:
    """The stages, the last one of which is the image. `notes` say what differs from the Dockerfile."""

    stages: tuple[DefinitionStage, ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        return "\n".join(stage.text() for stage in self.stages)


def plain_base(dockerfile: Dockerfile, target: str | None) -> str:
    """The image that a Dockerfile without a step that changes it stands for; "" for any other."""
    goal = dockerfile.target(target)
    steps = (step for stage in _chain(goal) for step in dockerfile.effective(stage))
    changes = any(
        step.keyword not in {*_WITHOUT_EFFECT, "ARG", "WORKDIR", "USER"} for step in steps
    )
    return "" if changes else dockerfile.image_of(goal)


def define(dockerfile: Dockerfile, target: str | None) -> Definition:
    """The definition file for a stage (None: the last one).

    UserError, with the line, for an instruction that has no equal there.
    """
    translation = _Translation(dockerfile)
    translation.add(dockerfile.target(target))
    return Definition(tuple(translation.stages), tuple(dict.fromkeys(translation.notes)))


def _chain(stage: Stage) -> list[Stage]:
    """A stage and those that it starts from, the lowest first."""
    chain = [stage]
    while (below := chain[0].below) is not None:
        chain.insert(0, below)
    return chain


@dataclass
class _Translation:
    """The stages that are needed so far; each comes after those that it copies from."""

    dockerfile: Dockerfile
    stages: list[DefinitionStage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    names: dict[int | str, str] = field(default_factory=dict)

    def add(self, stage: Stage) -> str:
        """Translate a stage, unless it is here already. Returns its name in the definition."""
        key = self.dockerfile.stages.index(stage)
        if key not in self.names:
            self.names[key] = f"s{key}"
            steps = _Steps(self, _chain(stage))
            base = self.dockerfile.image_of(stage)
            self.require_image(base, _chain(stage)[0].line)
            self.stages.append(steps.stage(f"s{key}", base))
        return self.names[key]

    def add_image(self, image: str, line: int) -> str:
        """A stage of an image that something is copied from."""
        if image not in self.names:
            self.require_image(image, line)
            self.names[image] = f"i{len(self.names)}"
            self.stages.append(DefinitionStage(self.names[image], image))
        return self.names[image]

    def require_image(self, name: str, line: int) -> None:
        if name == "scratch":
            raise self.without_equal("FROM scratch", line, "Start from an image that has a shell")
        if not is_image_name(name):
            raise UserError(
                f'"{name[:60]}" cannot be the name of an image',
                code="image-invalid",
                where=Position(self.dockerfile.name, line, 1),
                hint="Give each variable of the line a value by an ARG before the first FROM",
            )

    def without_equal(self, what: str, line: int, hint: str = "") -> UserError:
        return UserError(
            f"{what} has no equal in a definition file of Apptainer",
            code="apptainer-instruction",
            where=Position(self.dockerfile.name, line, 1),
            hint=hint
            or "Write it another way, or build the image on a machine with Docker and "
            "push it: `scripts/loop build EXP --push`",
        )


class _Steps:
    """The script of one stage, with all that the stages below it do."""

    def __init__(self, translation: _Translation, chain: Sequence[Stage]) -> None:
        self.translation = translation
        self.dockerfile = translation.dockerfile
        self.chain = chain
        self.variables: dict[str, str] = {}
        self.environment: set[str] = set()
        self.shell: Sequence[str] = ("/bin/sh", "-c")
        self.context: list[ContextFiles] = []
        self.copied: list[StageFiles] = []
        self.number = 0

    def stage(self, name: str, base: str) -> DefinitionStage:
        steps = [
            (stage, step)
            for stage in self.chain
            for step in self.dockerfile.effective(stage)
            if step.keyword not in _WITHOUT_EFFECT
        ]
        if not steps:
            return DefinitionStage(name, base)
        lines = [_FUNCTIONS]
        for index, (stage, step) in enumerate(steps, start=1):
            shown = " ".join(f"{step.keyword} {step.rest}".split())[:200]
            lines.append(f"il_step {shlex.quote(f'Step {index}/{len(steps)} : {shown}')}")
            try:
                lines += self._step(stage, step)
            except WordError as error:
                what = f"{step.keyword} with {error}"
                raise self.translation.without_equal(what, step.line) from error
        lines.append('cd / && rm -rf "$il_folder"')
        script = "".join(f"{line}\n" for line in lines)
        return DefinitionStage(name, base, script, tuple(self.context), tuple(self.copied))

    def _step(self, stage: Stage, step: Instruction) -> Iterator[str]:
        handlers: Mapping[str, Callable[[Stage, Instruction], Iterator[str]]] = {
            "ADD": self._copy,
            "ARG": self._arg,
            "COPY": self._copy,
            "ENV": self._env,
            "RUN": self._run,
            "SHELL": self._shell,
            "USER": self._user,
            "WORKDIR": self._workdir,
        }
        handler = handlers.get(step.keyword)
        if handler is None:
            raise self.translation.without_equal(step.keyword, step.line)
        yield from handler(stage, step)

    def _arg(self, stage: Stage, step: Instruction) -> Iterator[str]:
        declared = assignments(step, self.variables)
        for word in shell_words.raw_words(step.rest):
            name, equals, value = word.partition("=")
            if name in self.environment:
                continue  # ENV wins over ARG
            self._require_variable(name, step)
            if equals:
                self.variables[name] = declared[name]
                yield f"export {name}={shell_text(value, step.escape)}"
            elif name in stage.variables:  # of an ARG before the first FROM, or of the platform
                self.variables[name] = stage.variables[name]
                yield f'export {name}="{quoted(stage.variables[name])}"'

    def _env(self, stage: Stage, step: Instruction) -> Iterator[str]:
        pairs = list(_pairs(step))
        for name, _ in pairs:
            self._require_variable(name, step)
        # In one ENV, all see the values before it.
        for index, (_, value) in enumerate(pairs):
            yield f"il_{index}={shell_text(value, step.escape)}"
        for index, (name, _) in enumerate(pairs):
            yield f'export {name}="$il_{index}"; il_keep {name} "$il_{index}"'
        self.variables.update(assignments(step, self.variables))
        self.environment.update(name for name, _ in pairs)

    def _require_variable(self, name: str, step: Instruction) -> None:
        if not _VARIABLE.fullmatch(name):
            what = f"{step.keyword} of {name or 'no name'}, which no shell has as a variable,"
            raise self.translation.without_equal(what, step.line)

    def _shell(self, stage: Stage, step: Instruction) -> Iterator[str]:
        if not step.exec_form:
            raise UserError(
                "SHELL is invalid",
                code="dockerfile-invalid",
                where=Position(self.dockerfile.name, step.line, 1),
                hint='Write SHELL ["/bin/bash", "-c"]',
            )
        self.shell = step.exec_form
        return iter(())

    def _user(self, stage: Stage, step: Instruction) -> Iterator[str]:
        name = expanded(step.rest, self.variables, step.escape).partition(":")[0]
        if name not in ("root", "0"):
            self.translation.notes.append(
                f"{self.dockerfile.name}:{step.line}: the steps after USER {name} run as root here"
            )
        yield f"il_user {shell_text(step.rest, step.escape)}"

    def _workdir(self, stage: Stage, step: Instruction) -> Iterator[str]:
        path = shell_text(step.rest, step.escape)
        yield f"mkdir -p -- {path} && cd -- {path}"

    # --- RUN

    def _run(self, stage: Stage, step: Instruction) -> Iterator[str]:
        targets: list[str] = []
        for flag in step.flags:
            key, _, value = flag.removeprefix("--").partition("=")
            if key == "mount":
                target, *lines = self._mount(stage, step, value)
                targets.append(target)
                yield from lines
            elif key != "network" or value not in ("default", "host"):
                raise self.translation.without_equal(f"RUN {flag}", step.line)
        yield self._command(step)
        for target in reversed(targets):
            yield f"il_unmount {target}"

    def _command(self, step: Instruction) -> str:
        if step.exec_form is not None:
            return shlex.join(step.exec_form)
        if not step.heredocs:
            return shlex.join((*self.shell, step.arguments))
        bodies = list(_bodies(step))
        if len(bodies) == 1 and _HEREDOC.fullmatch(step.arguments):
            if bodies[0][1].startswith("#!"):
                what = "RUN with a script that names its interpreter"
                raise self.translation.without_equal(what, step.line, "Write `RUN python3 <<EOF`")
            return shlex.join((*self.shell, bodies[0][1]))
        texts = "".join(f"{text}{name}\n" for name, text in bodies)
        return shlex.join((*self.shell, f"{step.arguments}\n{texts}"))

    def _mount(self, stage: Stage, step: Instruction, value: str) -> Iterator[str]:
        """First the target, then the lines that make it."""
        fields: dict[str, str] = {}
        for part in value.split(","):
            key, _, text = part.partition("=")
            fields[_MOUNT_KEYS.get(key, key)] = expanded(text, self.variables, step.escape)
        kind = fields.get("type", "bind")
        target = fields.get("target", "")
        if kind not in ("bind", "cache", "tmpfs") or not target or "$" in value:
            hint = "A secret cannot be given to a build here: build the image with Docker"
            hint = hint if kind in ("secret", "ssh") else ""
            raise self.translation.without_equal(f"RUN --mount={value}", step.line, hint)
        yield shlex.quote(target)
        if kind != "bind":
            yield f"il_mount {shlex.quote(target)}"
            return
        source = fields.get("source", ".") or "."
        origin = fields.get("from", "")
        yield from self._stage_or_context(stage, step, origin, (source,))
        yield f"il_mount {shlex.quote(target)} {self._parts(origin)}"

    # --- COPY and ADD

    def _copy(self, stage: Stage, step: Instruction) -> Iterator[str]:
        words = step.exec_form or shell_words.raw_words(step.arguments)
        options = self._copy_options(step)
        if len(words) < 2:
            raise WordError("no source and target")
        *raw, target = words
        sources = [self._known(word, step) for word in raw if not self._is_heredoc(word, step)]
        if step.keyword == "ADD" and any(map(_URL.match, sources)):
            hint = "Write RUN with curl or wget, or put the file into the build's folder"
            raise self.translation.without_equal("ADD of a URL", step.line, hint)
        origin = options.get("from", "")
        yield from self._stage_or_context(stage, step, origin, tuple(sources))
        is_folder = len(words) > 2 or any(re.search(r"[*?\[]", word) for word in sources)
        yield " ".join(
            (
                "il_copy",
                shell_text(target, step.escape),
                str(int(is_folder)),
                shell_text(options.get("chown", ""), step.escape),
                shell_text(options.get("chmod", ""), step.escape),
                self._parts(origin),
            )
        )

    def _copy_options(self, step: Instruction) -> dict[str, str]:
        options = {}
        for flag in step.flags:
            key, _, value = flag.removeprefix("--").partition("=")
            is_known = key in ("chown", "chmod", "link") or (
                key == "from" and step.keyword == "COPY"
            )
            if not is_known:
                raise self.translation.without_equal(f"{step.keyword} {flag}", step.line)
            options[key] = value
        return options

    def _is_heredoc(self, word: str, step: Instruction) -> bool:
        return bool(step.heredocs) and _HEREDOC.fullmatch(word) is not None

    def _known(self, word: str, step: Instruction) -> str:
        """A source, whose variables have to be known before the build."""
        text = expanded(word, self.variables, step.escape)
        if re.search(r"\$[A-Za-z_{]", text):
            what = f"{step.keyword} of {word}, whose value only the base image has,"
            raise self.translation.without_equal(what, step.line, "Give it a value by ARG or ENV")
        return text

    def _stage_or_context(
        self, stage: Stage, step: Instruction, origin: str, sources: tuple[str, ...]
    ) -> Iterator[str]:
        self.number += 1
        if not origin:
            texts = tuple(self._texts(step)) if step.keyword != "RUN" else ()
            unpacks = step.keyword == "ADD"
            self.context.append(ContextFiles(self.number, sources, step.line, unpacks, texts))
            yield f"il_unpack {self.number}"
            return
        other = source_of(self.dockerfile, stage, origin)
        name = (
            self.translation.add(other)
            if other is not None
            else self.translation.add_image(origin, step.line)
        )
        paths = tuple(posixpath.normpath(posixpath.join("/", source)) for source in sources)
        for path in paths:
            if path == "/" or not _STAGE_PATH.fullmatch(path):
                what = f"{step.keyword} of {path} of another stage"
                raise self.translation.without_equal(what, step.line)
        self.copied.append(StageFiles(self.number, name, paths))

    def _parts(self, origin: str) -> str:
        return f"{'from' if origin else 'copy'}/{self.number}"

    def _texts(self, step: Instruction) -> Iterator[tuple[str, str]]:
        for (name, text), word in zip(_bodies(step), _heredoc_words(step), strict=True):
            if "$" in text and not re.search(r"[\"']", word):
                hint = f"Write <<'{name}' if no variable is meant"
                what = f"{step.keyword} of a text with variables"
                raise self.translation.without_equal(what, step.line, hint)
            yield name, text


_MOUNT_KEYS = {"src": "source", "dst": "target", "destination": "target"}


def _pairs(step: Instruction) -> Iterator[tuple[str, str]]:
    """The names of an ENV with their values as written."""
    words = shell_words.raw_words(step.rest)
    if words and "=" not in words[0]:  # ENV NAME any text
        yield words[0], step.rest.partition(words[0])[2].strip()
        return
    for word in words:
        name, _, value = word.partition("=")
        yield name, value


def _heredoc_words(step: Instruction) -> list[str]:
    return [word for word in shell_words.raw_words(step.arguments) if _HEREDOC.fullmatch(word)]


def _bodies(step: Instruction) -> Iterator[tuple[str, str]]:
    """Each here-document's name and text, without the tabs before its lines where it says `<<-`."""
    if not step.heredocs:
        return
    lines = step.text.split("\n")
    at = 0
    # The instruction's own lines: those that go on, and the one after them.
    while at < len(lines) - 1 and (
        lines[at].rstrip().endswith(step.escape) or lines[at].lstrip().startswith("#")
    ):
        at += 1
    at += 1
    for name, word in zip(step.heredocs, _heredoc_words(step), strict=False):
        text = ""
        while at < len(lines):
            line = lines[at].lstrip("\t") if "<<-" in word else lines[at]
            at += 1
            if line == name:
                break
            text += f"{line}\n"
        yield name, text


# `il_` keeps our names apart from those of the Dockerfile. None of them is exported.
_FUNCTIONS = r"""set -e
umask 022
export HOME=/root
cd /
il_folder=/.innerloop
il_env=${APPTAINER_ENVIRONMENT:-${SINGULARITY_ENVIRONMENT:-/.singularity.d/env/91-environment.sh}}
[ ! -f "$il_folder/build/network.sh" ] || . "$il_folder/build/network.sh"
il_step() { printf '%s\n' "$1"; }
# NAME VALUE: a variable of the image
il_keep() {
  printf "export %s='%s'\n" "$1" "$(printf '%s' "$2" | sed "s/'/'\\\\''/g")" >> "$il_env"
}
# USER: the home of its steps
il_user() {
  il_home=$(sed -n "s/^${1%%:*}:[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1/p" /etc/passwd)
  export HOME="${il_home:-/}"
}
# NUMBER: the files of a step
il_unpack() {
  mkdir -p "$il_folder/copy/$1"
  tar -xf "$il_folder/build/$1.tar" -C "$il_folder/copy/$1"
  rm -f "$il_folder/build/$1.tar"
}
# TARGET IS_FOLDER PARTS: what a step copies, as COPY does
il_put() {
  il_target=$1 il_is_folder=$2
  case $il_target in /*) ;; *) il_target=$PWD/$il_target ;; esac
  case $il_target in */ | */.) il_is_folder=1 ;; esac
  [ ! -d "$il_target" ] || il_is_folder=1
  for il_part in "$il_folder/$3"/*/* "$il_folder/$3"/*/.[!.]*; do
    if [ -d "$il_part" ] && [ ! -L "$il_part" ]; then
      mkdir -p "$il_target" && cp -a "$il_part/." "$il_target/"
    elif [ -e "$il_part" ] || [ -L "$il_part" ]; then
      if [ "$il_is_folder" = 1 ]; then
        mkdir -p "$il_target" && cp -a "$il_part" "$il_target/"
      else
        mkdir -p "$(dirname "$il_target")" && cp -a "$il_part" "$il_target"
      fi
    fi
  done
}
# TARGET IS_FOLDER OWNER MODE PARTS
il_copy() {
  chown -hR "${3:-0:0}" "$il_folder/$5" 2>/dev/null || [ -z "$3" ] ||
    echo "innerloop: this build cannot give files to $3; they are root's"
  if [ -n "$4" ]; then
    for il_part in "$il_folder/$5"/*/* "$il_folder/$5"/*/.[!.]*; do
      if [ -e "$il_part" ]; then chmod -R "$4" "$il_part"; fi
    done
  fi
  il_put "$1" "$2" "$5"
  rm -rf "$il_folder/$5"
}
# TARGET [PARTS]: a mount of one step; what was there goes aside
il_mount() {
  if [ -e "$1" ]; then
    mkdir -p "$il_folder/aside$1" && rmdir "$il_folder/aside$1" && mv "$1" "$il_folder/aside$1"
  fi
  if [ $# = 1 ]; then mkdir -p "$1"; else mkdir -p "$(dirname "$1")" && il_put "$1" 0 "$2"; fi
}
il_unmount() {
  rm -rf "$1"
  if [ -e "$il_folder/aside$1" ]; then mv "$il_folder/aside$1" "$1"; fi
}
"""
