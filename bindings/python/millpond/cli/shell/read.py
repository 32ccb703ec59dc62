"""Where the shell's lines come from: a terminal with or without prompt_toolkit, or a pipe."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ..visible import visible
from .commands import UnreadableError, check_text
from .complete import Completion
from .history import History, history_path
from .items import Item, Items
from .session import Session


class Reader(Protocol):
    """Reads what its user wants executed."""

    def read(self) -> Iterator[Item]:
        """What was typed until now and is complete. Raises EOFError at the end, and
        KeyboardInterrupt when the user drops what is being typed."""
        ...


def prompts(session: Session) -> tuple[str, str]:
    """The prompt, and the one for further lines of a statement."""
    first = f"{visible(session.database)}{session.mark}> "
    return first, f"{'.' * max(len(first) - 2, 1)}> "


def reader_for(session: Session, items: Items) -> Reader:
    """The best one that there is here."""
    if not session.is_interactive:
        return PipeReader(items)
    try:
        import prompt_toolkit  # noqa: F401
    except ImportError:
        return LineReader(session, items)
    return PromptReader(session, items)


class PipeReader:
    """Reads standard input, which is no terminal."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def read(self) -> Iterator[Item]:
        while line := self._line():
            if found := self._items.add(line.rstrip("\n")):
                return iter(found)
        raise EOFError

    def _line(self) -> str:
        try:
            return check_text(sys.stdin.readline(), "the input")
        except UnicodeDecodeError as error:
            raise UnreadableError("the input is not UTF-8") from error


class LineReader:
    """A terminal with what Python itself has for lines: history and completion come from its module
    readline, where it has one."""

    def __init__(self, session: Session, items: Items) -> None:
        self._session = session
        self._items = items
        self._history = History(history_path())
        self._add: Callable[[str], None] = lambda text: None
        with contextlib.suppress(ImportError):
            self._use_readline()

    def _use_readline(self) -> None:
        import readline

        for text in self._history.load():
            readline.add_history(text)
        readline.set_auto_history(False)
        readline.set_completer_delims(" \t\n,()=<>+*/;")
        readline.set_completer(self._complete)
        is_libedit = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
        self._completion = Completion(self._session)
        self._line_now = readline.get_line_buffer
        self._end_now = readline.get_endidx
        self._begin_now = readline.get_begidx
        self._add = readline.add_history

    def _complete(self, text: str, number: int) -> str | None:
        """The number-th word that may take the place of ``text``."""
        if number == 0:
            before = self._items.text + "\n" if self._items.text else ""
            line = self._line_now()[: self._end_now()]
            found = self._completion.words((before + line).lstrip())
            kept = {word: text[: len(text) - size] for word, size in found}
            self._matches = [before + word for word, before in kept.items()]
        return self._matches[number] if number < len(self._matches) else None

    def read(self) -> Iterator[Item]:
        first, more = prompts(self._session)
        try:
            while True:
                with self._session.interrupts.allowed():
                    typed = input(more if self._items.text else first)
                found = list(self._items.add_text(typed))
                if found:
                    break
        except KeyboardInterrupt:
            print()
            raise
        for item in found:
            self._history.add(item.text)
            self._add(item.text)
        return iter(found)


class PromptReader:
    """A terminal with prompt_toolkit: a statement is edited as a whole."""

    def __init__(self, session: Session, items: Items) -> None:
        from prompt_toolkit import PromptSession

        from .toolkit import completer, kept_history, key_bindings, lexer

        self._session = session
        self._items = items
        self._prompt: Any = PromptSession(
            history=kept_history(History(history_path())),
            completer=completer(Completion(session)),
            key_bindings=key_bindings(items.is_whole),
            lexer=lexer(),
            multiline=True,
            complete_while_typing=False,
            enable_open_in_editor=True,
        )

    def read(self) -> Iterator[Item]:
        first, more = prompts(self._session)
        try:
            typed = self._prompt.prompt(first, prompt_continuation=lambda *place: more)
        except EOFError as error:
            for _ in self._items.add_text(str(error)):  # not executed: only what is open counts
                pass
            raise
        return self._items.add_text(typed)


__all__ = ["LineReader", "PipeReader", "PromptReader", "Reader", "prompts", "reader_for"]
