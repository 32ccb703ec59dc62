"""The parts of prompt_toolkit that the prompt is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prompt_toolkit.application import get_app
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, completion_is_selected, has_completions
from prompt_toolkit.history import History as ToolkitHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import Lexer, PygmentsLexer

from .complete import Completion as Words
from .history import History


class _History(ToolkitHistory):
    """Keeps what our own history keeps."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._kept = history

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._kept.load())

    def store_string(self, string: str) -> None:
        self._kept.add(string)


def kept_history(history: History) -> ToolkitHistory:
    return _History(history)


class _Completer(Completer):
    def __init__(self, words: Words) -> None:
        self._words = words

    def get_completions(self, document: Document, complete_event: Any) -> Iterable[Completion]:
        for word, size in self._words.words(document.text_before_cursor.lstrip()):
            yield Completion(word, start_position=-size)


def completer(words: Words) -> Completer:
    return _Completer(words)


def key_bindings(is_whole: Callable[[str], bool]) -> KeyBindings:
    """Enter executes a text that is whole, and begins another line in one that is not."""
    bindings = KeyBindings()

    @bindings.add("enter", filter=~(has_completions & completion_is_selected))
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_whole(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.newline(copy_margin=False)

    @Condition
    def is_line_empty() -> bool:
        document = get_app().current_buffer.document
        return bool(document.text) and not document.current_line

    @bindings.add("c-d", filter=is_line_empty)
    def leave(event: KeyPressEvent) -> None:
        """As at the prompt itself; what was typed is not executed."""
        event.app.exit(exception=EOFError(event.current_buffer.text))

    return bindings


def lexer() -> Lexer:
    """Colours, where Pygments is there."""
    return PygmentsLexer.from_filename("statement.sql")


__all__ = ["completer", "kept_history", "key_bindings", "lexer"]
