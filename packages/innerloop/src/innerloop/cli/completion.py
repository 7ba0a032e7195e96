"""Completion scripts for shells.

At each Tab they run `loop completion words`, so they know new experiments and commands at once and
never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..util.errors import UsageError
from .candidates import candidates_or_none

if TYPE_CHECKING:
    import argparse

EXAMPLES = """Add the line for your shell to its start-up file. It completes `loop` and `scripts/loop` of every
workspace.

examples:
  bash         eval "$(scripts/loop completion bash)"                    ~/.bashrc
  zsh          eval "$(scripts/loop completion zsh)"                     ~/.zshrc, after compinit
  fish         scripts/loop completion fish | source                     ~/.config/fish/config.fish
  PowerShell   scripts/loop completion powershell | Out-String | iex     $PROFILE
"""

BASH = """_innerloop_loop() {
    local IFS=$'\\n' program=${COMP_WORDS[0]/#\\~/$HOME}
    COMPREPLY=($("$program" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/] ]] &&
        compopt -o nospace 2>/dev/null  # bash 3.2, as on macOS, has no compopt
    return 0
}
complete -F _innerloop_loop loop loop.cmd
"""

ZSH = """(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_innerloop_loop() {
    local -a lines open shut
    local line
    lines=("${(@f)$("${(e)~words[1]}" completion words --describe -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${(@)lines}"; do
        [[ -n $line ]] || continue
        if [[ ${line%%$'\\t'*} == *[=/] ]]; then
            open+=("${${line//:/\\\\:}/$'\\t'/:}")
        else
            shut+=("${${line//:/\\\\:}/$'\\t'/:}")
        fi
    done
    (( $#open )) && _describe -t loop loop open -S ''
    (( $#shut )) && _describe -t loop loop shut
    (( $#open + $#shut ))
}
compdef _innerloop_loop loop loop.cmd
"""

FISH = """function __innerloop_loop
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l program (string replace --regex '^~' $HOME -- $words[1])
    set --erase words[1]
    command --query -- $program; or return
    $program completion words --describe -- $words "$current" 2>/dev/null
end
complete --command loop --no-files --arguments '(__innerloop_loop)'
complete --command loop.cmd --no-files --arguments '(__innerloop_loop)'
"""

POWERSHELL = """Register-ArgumentCompleter -Native -CommandName loop, loop.cmd -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $typed = @($commandAst.CommandElements |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text.Trim('"', "'") })
    $words = @($typed | Select-Object -Skip 1)
    $more = @('completion', 'words', '--describe')
    if ($wordToComplete -eq '') { $more += '--fresh' }
    & $typed[0] @more '--' @words 2>$null | ForEach-Object {
        $word, $text = $_ -split "`t", 2
        if (-not $text) { $text = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $text)
    }
}
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH, "powershell": POWERSHELL}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", help=", ".join(SCRIPTS))


def run(args: argparse.Namespace) -> int:
    if args.shell not in SCRIPTS:
        known = ", ".join(SCRIPTS)
        raise UsageError(
            f'there is no completion for "{args.shell}"',
            code="unknown-name",
            hint=f"There is completion for {known}",
        )
    print(SCRIPTS[args.shell], end="")
    return 0


def print_words(words: Sequence[str], root: Path, cwd: Path) -> int:
    """What the scripts call: `completion words [--describe] [--fresh] -- WORDS`.

    Windows PowerShell drops empty arguments of programs: `--fresh` says that the last word is empty.
    """
    at = words.index("--") if "--" in words else len(words)
    options, line = words[:at], words[at + 1 :]
    typed = [*line, ""] if "--fresh" in options else line
    for candidate in candidates_or_none(typed, root, cwd):
        has_text = "--describe" in options and candidate.text
        print(f"{candidate.word}\t{candidate.text}" if has_text else candidate.word)
    return 0
